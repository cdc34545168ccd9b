/**
 * Unsigned integers in network byte order. Outside the buffer they read as zero instead of throwing, but
 * decoders do not rely on it: they check the length of a header once, then read at fixed offsets.
 */

export function octet(buffer: Buffer, at: number): number {
  return buffer[at] ?? 0;
}

export function uint16(buffer: Buffer, at: number): number {
  return ((buffer[at] ?? 0) << 8) | (buffer[at + 1] ?? 0);
}

export function uint32(buffer: Buffer, at: number): number {
  return ((uint16(buffer, at) << 16) | uint16(buffer, at + 2)) >>> 0;
}

/** Some link layers write their headers in the byte order of the capturing host. */
export function uint16LittleEndian(buffer: Buffer, at: number): number {
  return (buffer[at] ?? 0) | ((buffer[at + 1] ?? 0) << 8);
}

export function uint32LittleEndian(buffer: Buffer, at: number): number {
  return ((uint16LittleEndian(buffer, at + 2) << 16) | uint16LittleEndian(buffer, at)) >>> 0;
}
