/**
 * What is fuzzed: a list of pieces. A piece is a file, a packet, a speech of one side, or a hole, by its kind;
 * the target says which. Structure survives mutation this way, and a finding can be read and replayed.
 */

export interface Piece {
  readonly kind: number;
  readonly bytes: Buffer;
}

export type Input = readonly Piece[];

export function sizeOf(input: Input): number {
  return input.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** One octet for the kind, four for the length, the octets. */
export function encodeInput(input: Input): Buffer {
  return Buffer.concat(
    input.flatMap(({ kind, bytes }) => {
      const head = Buffer.alloc(5);
      head[0] = kind;
      head.writeUInt32BE(bytes.length, 1);
      return [head, bytes];
    }),
  );
}

export function decodeInput(encoded: Buffer): Input {
  const pieces: Piece[] = [];
  for (let at = 0; at + 5 <= encoded.length; ) {
    const length = encoded.readUInt32BE(at + 1);
    pieces.push({ kind: encoded[at] ?? 0, bytes: encoded.subarray(at + 5, at + 5 + length) });
    at += 5 + length;
  }
  return pieces;
}

/** For a person: one line per piece. */
export function renderInput(input: Input): string {
  const lines = input.map(({ kind, bytes }) => `${kind}: ${JSON.stringify(bytes.toString('latin1'))}`);
  return `${lines.join('\n')}\n`;
}
