/**
 * MAPI property lists inside TNEF, MS-OXTNEF §2.1.3.4.
 *
 *     count, then for each: type, id, [name if id >= 0x8000], value(s); values are padded to 4 octets
 */

export interface MapiProperty {
  readonly bytes: Buffer;
  /** The octets are UTF-16LE. */
  readonly unicode: boolean;
  /** The octets are an interface id (16 octets) and what that interface stores. */
  readonly isObject: boolean;
}

export type MapiProperties = ReadonlyMap<number, MapiProperty>;

/** Octets of fixed types as stored; the others carry a length. */
const fixedBytes: ReadonlyMap<number, number> = new Map([
  [0x02, 4],
  [0x03, 4],
  [0x04, 4],
  [0x05, 8],
  [0x06, 8],
  [0x07, 8],
  [0x0a, 4],
  [0x0b, 4],
  [0x14, 8],
  [0x40, 8],
  [0x48, 16],
]);

const objectType = 0x0d;
const stringType = 0x1e;
const unicodeType = 0x1f;
const binaryType = 0x102;
const multipleFlag = 0x1000;
const firstNamedId = 0x8000;

/** Strings, binaries and objects by property id; reading stops at the first thing that cannot be. */
export function readMapiProperties(bytes: Buffer): MapiProperties {
  const properties = new Map<number, MapiProperty>();
  if (bytes.length < 4) return properties;
  const count = bytes.readUInt32LE(0);
  let offset = 4;
  for (let index = 0; index < count && offset + 4 <= bytes.length; index++) {
    const type = bytes.readUInt16LE(offset);
    const id = bytes.readUInt16LE(offset + 2);
    offset += 4;
    if (id >= firstNamedId) offset = skipName(bytes, offset);
    const next = readValue(bytes, offset, type, id, properties);
    if (next === undefined) break;
    offset = next;
  }
  return properties;
}

/** A GUID, then a number or a name. */
function skipName(bytes: Buffer, offset: number): number {
  if (offset + 24 > bytes.length) return bytes.length;
  const isString = bytes.readUInt32LE(offset + 16) === 1;
  return isString ? offset + 24 + padded(bytes.readUInt32LE(offset + 20)) : offset + 24;
}

/** Offset behind the value, undefined where it cannot be read. */
function readValue(
  bytes: Buffer,
  start: number,
  type: number,
  id: number,
  properties: Map<number, MapiProperty>,
): number | undefined {
  const base = type & ~multipleFlag;
  const sized = base === objectType || base === stringType || base === unicodeType || base === binaryType;
  const multiple = (type & multipleFlag) !== 0;
  let offset = start;
  let values = 1;
  if (sized || multiple) {
    if (offset + 4 > bytes.length) return undefined;
    values = bytes.readUInt32LE(offset);
    offset += 4;
  }
  if (!sized) {
    const size = fixedBytes.get(base);
    return size === undefined ? undefined : offset + size * values;
  }
  for (let index = 0; index < values; index++) {
    if (offset + 4 > bytes.length) return undefined;
    const length = bytes.readUInt32LE(offset);
    offset += 4;
    if (index === 0 && !properties.has(id)) {
      properties.set(id, {
        bytes: bytes.subarray(offset, offset + length),
        unicode: base === unicodeType,
        isObject: base === objectType,
      });
    }
    offset += padded(length);
  }
  return offset;
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
