import { AGAIN_SEC, type Fault, IMPATIENT_SEC } from "./fault.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";
import type { World } from "./world.ts";

/** Steps of a wall clock, s. */
const STEPS_SEC = [0.05, 0.5, 1.5, 3, 7, 40, 600] as const;
const SPEEDS = [50, 300, 1500] as const;

/** Makes a fault happen now, and end in its time. */
export function applyFault(world: World, fault: Fault): void {
  const { network, time } = world;
  const { kind, where, forSec, detail } = fault;
  const later = (run: () => void) => time.after(forSec * 1e6, run);
  const [a = "", b = ""] = where;
  const machine = world.machine(a);
  world.trace.text(`fault ${fault.number}`);
  switch (kind) {
    case "reset":
      network.reset(a, b, (["both", "dialler", "listener"] as const)[detail % 3]!);
      return;
    case "partition":
      network.setCut(a, b, true);
      later(() => network.setCut(a, b, false));
      return;
    case "slow_link":
      network.link(a, b).bytesPerSec = SPEEDS[detail % SPEEDS.length]!;
      later(() => world.calm(a, b));
      return;
    case "late_link":
      Object.assign(network.link(a, b), { latencyUs: 100_000 + 3 * detail, jitterUs: detail });
      later(() => world.calm(a, b));
      return;
    case "swallow":
      network.swallow(a, b);
      return;
    case "slow_reader":
      network.setReadSpeed(machine, SPEEDS[detail % SPEEDS.length]!);
      later(() => network.setReadSpeed(machine, Number.POSITIVE_INFINITY));
      return;
    case "freeze":
      freeze(machine, later);
      return;
    case "mute":
      machine.isMute = true;
      // Those it has are of no use any more either: whoever is connected must connect anew to meet this.
      for (const other of world.machines) if (other !== machine) network.reset(other.name, a, "dialler");
      later(() => {
        machine.isMute = false;
      });
      return;
    case "clock_step":
      step(machine, detail);
      return;
    case "step_apart":
      // Whoever has it cannot tell: the other end is not there.
      network.setCut(a, b, true);
      time.after((forSec * 1e6) / 2, () => step(world.machine(where[detail % 2]!), Math.floor(detail / 2)));
      later(() => network.setCut(a, b, false));
      return;
    case "disk_full":
      machine.disk.capacityBytes = machine.disk.usedBytes + (detail % 20_000);
      later(() => {
        machine.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
      });
      return;
    case "disk_fails":
      machine.disk.fail("any", "EIO", { nth: 1 + (detail % 5), times: Number.MAX_SAFE_INTEGER });
      later(() => machine.disk.heal());
      return;
    default:
      end(world, machine, fault);
  }
}

/** How a life of an agent ends, and that the next one begins. */
function end(world: World, machine: SimulatedMachine, { kind, forSec, detail }: Fault): void {
  const { time } = world;
  const back = () => {
    // Now and then the next one ends while it begins.
    const dieAtCall = detail % 4 === 0 ? detail % 97 : Number.POSITIVE_INFINITY;
    if (!machine.isRunning) machine.start(dieAtCall);
    time.after(AGAIN_SEC * 1e6, () => {
      machine.files.callsLeft = Number.POSITIVE_INFINITY;
      if (!machine.isRunning) machine.start();
    });
  };
  const impatient = () => {
    machine.kill();
    time.after(forSec * 1e6, back);
  };
  const { life } = machine;
  if (kind === "kill_at_turn") life.dieAtTurn(detail % 12, () => machine.kill());
  else if (kind === "kill_at_disk_call") machine.files.callsLeft = detail % 20;
  else if (kind === "power_cut") machine.cutPower();
  else if (kind === "kill") machine.kill();
  else {
    machine.stop(() => time.after(forSec * 1e6, back));
    return;
  }
  if (machine.isRunning) time.after(IMPATIENT_SEC * 1e6, () => (machine.life === life ? impatient() : undefined));
  else time.after(forSec * 1e6, back);
}

function freeze(machine: SimulatedMachine, later: (run: () => void) => void): void {
  const { life } = machine;
  life.freeze();
  later(() => life.thaw());
}

function step(machine: SimulatedMachine, detail: number): void {
  const size = STEPS_SEC[detail % STEPS_SEC.length]!;
  const sign = detail % 2 === 0 ? 1 : -1;
  machine.setWall(machine.wallOffsetUs + Math.round(sign * size * 1e6));
}
