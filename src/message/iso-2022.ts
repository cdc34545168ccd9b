/**
 * ISO-2022-KR (RFC 1557) and ISO-2022-CN (RFC 1922): seven-bit text in which SO switches to the
 * double-byte set and SI back. Setting the high bits turns it into EUC-KR or EUC-CN.
 */

const shiftOut = 0x0e;
const shiftIn = 0x0f;
const escapeOctet = 0x1b;

/** The same text in EUC. Designations (`ESC $ ) C`) are dropped: the label says which set is meant. */
export function decodeShifted(bytes: Buffer): Buffer {
  const output = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let shifted = false;
  for (let index = 0; index < bytes.length; index++) {
    const octet = bytes[index] ?? 0;
    if (octet === escapeOctet && bytes[index + 1] === 0x24) {
      index += 3;
    } else if (octet === shiftOut) {
      shifted = true;
    } else if (octet === shiftIn) {
      shifted = false;
    } else {
      if (octet === 0x0a) shifted = false;
      output[length++] = shifted && octet > 0x20 && octet < 0x7f ? octet | 0x80 : octet;
    }
  }
  return output.subarray(0, length);
}
