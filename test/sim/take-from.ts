/** Takes exactly so many bytes off the front of a row of pieces. */
export function takeFrom(pieces: Buffer[], bytes: number): Buffer {
  if (pieces.length > 0 && pieces[0]!.length === bytes) return pieces.shift()!;
  const taken = Buffer.allocUnsafeSlow(bytes);
  for (let have = 0; have < bytes; ) {
    const piece = pieces[0]!;
    const count = Math.min(piece.length, bytes - have);
    piece.copy(taken, have, 0, count);
    have += count;
    if (count === piece.length) pieces.shift();
    else pieces[0] = piece.subarray(count);
  }
  return taken;
}
