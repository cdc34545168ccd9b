/** Changes inputs: some changes know about pieces, protocol words and length fields, others about nothing. */
import type { SeededRandom } from '../support/random.ts';
import { type Input, type Piece, sizeOf } from './input.ts';

export interface Vocabulary {
  /** Kinds a new or changed piece may have. */
  readonly kinds: readonly number[];
  /** Words of the protocol or magic numbers of the format. */
  readonly words: readonly Buffer[];
}

/** Larger inputs find no more, only later. */
const inputBytesMax = 1 << 16;
const piecesMax = 400;

/** One to eight changes; `other` gives what is spliced in. */
export function mutate(input: Input, other: Input, vocabulary: Vocabulary, random: SeededRandom): Input {
  let changed: Input = input;
  const changes = 1 + Math.floor(random.fraction() ** 2 * 8);
  for (let change = 0; change < changes; change++) {
    changed = random.chance(0.4)
      ? changePieces(changed, other, vocabulary, random)
      : changeOnePiece(changed, other, vocabulary, random);
  }
  while (sizeOf(changed) > inputBytesMax || changed.length > piecesMax) {
    changed = changed.length > 1 ? changed.slice(0, changed.length >> 1) : halved(changed);
  }
  return changed;
}

function halved(input: Input): Input {
  return input.map(({ kind, bytes }) => ({ kind, bytes: bytes.subarray(0, bytes.length >> 1) }));
}

function changePieces(input: Input, other: Input, { kinds }: Vocabulary, random: SeededRandom): Input {
  const at = random.integer(input.length + 1);
  const to = Math.min(input.length, at + 1 + random.integer(4));
  const range = input.slice(at, to);
  switch (random.integer(8)) {
    case 0:
      return [...input.slice(0, at), ...input.slice(to)];
    case 1:
      return [...input.slice(0, to), ...range, ...input.slice(to)];
    case 2: {
      const target = random.integer(input.length + 1);
      const rest = [...input.slice(0, at), ...input.slice(to)];
      return [...rest.slice(0, target), ...range, ...rest.slice(target)];
    }
    case 3: {
      const from = random.integer(other.length + 1);
      const some = other.slice(from, from + 1 + random.integer(8));
      return [...input.slice(0, at), ...some, ...input.slice(random.chance(0.5) ? at : to)];
    }
    case 4:
      return [...input.slice(0, at), ...other.slice(random.integer(other.length + 1))];
    case 5:
      return input.map((piece, index) =>
        index >= at && index < to ? { ...piece, kind: random.pick(kinds) ?? piece.kind } : piece,
      );
    case 6:
      return input.flatMap((piece, index) => (index === at ? split(piece, random) : [piece]));
    default:
      return input.slice(0, Math.max(1, at));
  }
}

/** A part of its own, perhaps of another kind: a hole inside a speech. */
function split({ kind, bytes }: Piece, random: SeededRandom): Piece[] {
  const [from = 0, to = 0] = [random.integer(bytes.length + 1), random.integer(bytes.length + 1)].sort(
    (one, two) => one - two,
  );
  const middle = { kind: random.chance(0.5) ? kind + 2 : kind, bytes: bytes.subarray(from, to) };
  return [{ kind, bytes: bytes.subarray(0, from) }, middle, { kind, bytes: bytes.subarray(to) }];
}

function changeOnePiece(input: Input, other: Input, vocabulary: Vocabulary, random: SeededRandom): Input {
  if (input.length === 0) return [{ kind: random.pick(vocabulary.kinds) ?? 0, bytes: someOctets(random) }];
  const at = random.integer(input.length);
  return input.map((piece, index) =>
    index === at ? { ...piece, bytes: changeOctets(piece.bytes, other, vocabulary, random) } : piece,
  );
}

function someOctets(random: SeededRandom): Buffer {
  return Buffer.from(Array.from({ length: 1 + random.integer(8) }, () => random.integer(256)));
}

const interesting = [
  0, 1, 2, 3, 4, 7, 8, 12, 16, 20, 28, 32, 40, 127, 128, 255, 256, 511, 512, 1023, 1024, 4096,
];
const interestingLarge = [32_767, 32_768, 65_535, 65_536, 0xfff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

function changeOctets(bytes: Buffer, other: Input, { words }: Vocabulary, random: SeededRandom): Buffer {
  const at = random.integer(bytes.length + 1);
  const to = Math.min(bytes.length, at + 1 + random.integer(random.chance(0.7) ? 8 : 512));
  const replace = (middle: Uint8Array, until = to): Buffer =>
    Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(until)]);
  switch (random.integer(10)) {
    case 0:
      return flipped(bytes, at, random);
    case 1:
      return replace(someOctets(random), random.chance(0.5) ? at : to);
    case 2:
      return replace(random.pick(words) ?? someOctets(random), random.chance(0.5) ? at : to);
    case 3:
      return replace(Buffer.alloc(0));
    case 4:
      return replace(repeated(bytes.subarray(at, to), random));
    case 5:
      return withNumber(bytes, at, random);
    case 6:
    case 7:
      return withDigits(bytes, at, random);
    case 8: {
      const source = random.pick(other)?.bytes ?? bytes;
      const from = random.integer(source.length + 1);
      const some = source.subarray(from, from + 1 + random.integer(64));
      return replace(some, random.chance(0.5) ? at : to);
    }
    default:
      return lineChanged(bytes, at, random);
  }
}

function flipped(bytes: Buffer, at: number, random: SeededRandom): Buffer {
  const copy = Buffer.from(bytes);
  if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random.integer(8));
  return copy;
}

function repeated(some: Buffer, random: SeededRandom): Buffer {
  return Buffer.concat(Array.from({ length: 2 + random.integer(random.chance(0.9) ? 4 : 200) }, () => some));
}

/** A field of one, two or four octets in either byte order gets an interesting value, or a near one. */
function withNumber(bytes: Buffer, at: number, random: SeededRandom): Buffer {
  const copy = Buffer.from(bytes);
  const width = random.pick([1, 2, 4]) ?? 1;
  if (at + width > copy.length) return copy;
  const little = random.chance(0.5);
  const old = little ? copy.readUIntLE(at, width) : copy.readUIntBE(at, width);
  const near = old + random.integer(9) - 4;
  const wanted = random.pick([
    near,
    random.pick(interesting) ?? 0,
    random.pick(interestingLarge) ?? 0,
    copy.length,
  ]);
  const value = (wanted ?? 0) >>> 0;
  const fitting = width === 4 ? value : value % 2 ** (8 * width);
  if (little) copy.writeUIntLE(fitting, at, width);
  else copy.writeUIntBE(fitting, at, width);
  return copy;
}

/** The next decimal number behind `at`: a length, a count, a sequence number of a protocol of lines. */
function withDigits(bytes: Buffer, at: number, random: SeededRandom): Buffer {
  let start = at;
  const isDigit = (index: number): boolean => (bytes[index] ?? 0) >= 0x30 && (bytes[index] ?? 0) <= 0x39;
  while (start < bytes.length && !isDigit(start)) start++;
  let end = start;
  while (end < bytes.length && isDigit(end)) end++;
  if (start === end) return bytes;
  const old = Number(bytes.toString('latin1', start, end));
  const near = Math.max(0, old + random.integer(9) - 4);
  const choices = [
    near,
    random.pick(interesting) ?? 0,
    random.pick(interestingLarge) ?? 0,
    2 ** 53,
    old * 10,
  ];
  const digits = Buffer.from(String(random.pick(choices) ?? 0));
  return Buffer.concat([bytes.subarray(0, start), digits, bytes.subarray(end)]);
}

/** Takes the line at `at` away, doubles it, or ends it otherwise. */
function lineChanged(bytes: Buffer, at: number, random: SeededRandom): Buffer {
  const start = at === 0 ? 0 : bytes.lastIndexOf(0x0a, at - 1) + 1;
  const found = bytes.indexOf(0x0a, at);
  const end = found < 0 ? bytes.length : found + 1;
  const line = bytes.subarray(start, end);
  const ends = ['\n', '\r', '\r\r\n', '\0', '', '\r\n.\r\n', '\n.\n', '\r\n\r\n', ' \r\n'];
  const text = line.toString('latin1').replace(/\r?\n$/, random.pick(ends) ?? '');
  const choices = [Buffer.alloc(0), Buffer.concat([line, line]), Buffer.from(text, 'latin1')];
  return Buffer.concat([bytes.subarray(0, start), random.pick(choices) ?? line, bytes.subarray(end)]);
}
