import { AgentError } from "./errors.ts";

/** Text from a person that cannot be read: what is wrong with it, and what to write instead. */
export class InputError extends AgentError {
  override readonly name = "InputError";
  readonly problem: string;
  readonly hint: string;

  constructor(code: string, problem: string, hint: string) {
    super(code, `${problem}; ${hint}`);
    this.problem = problem;
    this.hint = hint;
  }
}
