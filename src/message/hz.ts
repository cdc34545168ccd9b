/**
 * HZ, RFC 1843: GB 2312 in seven bits.
 *
 *     ~{ … ~}   pairs of GB 2312 without their high bits
 *     ~~        one tilde
 *     ~ LF      nothing (line continuation)
 */
import { TextDecoder } from 'node:util';

const tilde = 0x7e;
const gb18030 = new TextDecoder('gb18030');

export function decodeHz(bytes: Buffer): string {
  const output = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let inPairs = false;
  for (let index = 0; index < bytes.length; index++) {
    const octet = bytes[index] ?? 0;
    const next = bytes[index + 1] ?? 0;
    if (octet === tilde && next === (inPairs ? 0x7d : 0x7b)) {
      inPairs = !inPairs;
      index++;
    } else if (octet === tilde && !inPairs && (next === tilde || next === 0x0a)) {
      if (next === tilde) output[length++] = tilde;
      index++;
    } else if (octet === 0x0a || octet === 0x0d) {
      // A line end closes the pairs: a lost `~}` costs one line.
      inPairs = false;
      output[length++] = octet;
    } else if (inPairs && octet > 0x20 && octet < 0x80 && next > 0x20 && next < 0x80) {
      output[length++] = octet | 0x80;
      output[length++] = next | 0x80;
      index++;
    } else {
      output[length++] = octet;
    }
  }
  return gb18030.decode(output.subarray(0, length));
}
