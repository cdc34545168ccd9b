/** Addresses as text: IPv4 dotted, IPv6 as recommended by RFC 5952. */

/** `address` holds 4 or 16 octets in network byte order. */
export function addressText(address: Buffer): string {
  return address.length === 4 ? address.join('.') : ipv6Text(address);
}

/** An endpoint for a person to read: `192.0.2.1:25`, `[2001:db8::1]:25`. */
export function endpointText(endpoint: { readonly address: string; readonly port: number }): string {
  const { address, port } = endpoint;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function ipv6Text(address: Buffer): string {
  if (isMappedIpv4(address)) return `::ffff:${address.subarray(12).join('.')}`;
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2));
  const zeros = longestZeroRun(groups);
  if (zeros.length < 2) return hexadecimal(groups);
  const head = groups.slice(0, zeros.start);
  const tail = groups.slice(zeros.start + zeros.length);
  return `${hexadecimal(head)}::${hexadecimal(tail)}`;
}

/** RFC 4291 §2.5.5.2, written with its dotted part as RFC 5952 §5 recommends. */
function isMappedIpv4(address: Buffer): boolean {
  return (
    address.readUInt32BE(0) === 0 &&
    address.readUInt32BE(4) === 0 &&
    address.readUInt16BE(8) === 0 &&
    address.readUInt16BE(10) === 0xffff
  );
}

function hexadecimal(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(':');
}

/** The first of the longest runs (RFC 5952 §4.2.3); a run of one group is not shortened (§4.2.2). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: index - length + 1, length };
  }
  return best;
}
