/** Names of link types for reports, https://www.tcpdump.org/linktypes.html. */

const linkTypeNames: ReadonlyMap<number, string> = new Map([
  [0, 'NULL'],
  [1, 'ETHERNET'],
  [9, 'PPP'],
  [12, 'RAW'],
  [14, 'RAW'],
  [50, 'PPP_HDLC'],
  [51, 'PPP_ETHER'],
  [101, 'RAW'],
  [104, 'C_HDLC'],
  [105, 'IEEE802_11'],
  [107, 'FRELAY'],
  [108, 'LOOP'],
  [113, 'LINUX_SLL'],
  [127, 'IEEE802_11_RADIOTAP'],
  [192, 'PPI'],
  [228, 'IPV4'],
  [229, 'IPV6'],
  [276, 'LINUX_SLL2'],
]);

/** `ETHERNET (1)`, or the bare number where it has no name here. */
export function linkTypeName(linkType: number): string {
  const name = linkTypeNames.get(linkType);
  return name === undefined ? String(linkType) : `${name} (${linkType})`;
}
