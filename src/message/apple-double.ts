/**
 * AppleSingle and AppleDouble, RFC 1740: a header, entry descriptors, then the forks of a Macintosh file.
 *
 *     magic 0x00051600 (single) or 0x00051607 (double), version, 16 filler octets, number of entries,
 *     then for each entry: id, offset, length (32 bits each, big-endian); id 1 is the data fork
 */

const headerBytes = 26;
const entryBytes = 12;
const dataFork = 1;

/** The file itself out of an AppleSingle part; undefined for anything else. */
export function appleDataFork(mediaType: string, content: Buffer): Buffer | undefined {
  if (mediaType !== 'application/applefile' || content.length < headerBytes) return undefined;
  const magic = content.readUInt32BE(0);
  if (magic !== 0x00051600 && magic !== 0x00051607) return undefined;
  const entries = content.readUInt16BE(24);
  for (let index = 0; index < entries; index++) {
    const at = headerBytes + index * entryBytes;
    if (at + entryBytes > content.length) return undefined;
    if (content.readUInt32BE(at) !== dataFork) continue;
    const offset = content.readUInt32BE(at + 4);
    return content.subarray(offset, offset + content.readUInt32BE(at + 8));
  }
  return undefined;
}
