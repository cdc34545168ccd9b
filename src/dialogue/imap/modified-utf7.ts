/** Mailbox names in modified UTF-7, RFC 3501 §5.1.3: `&` shifts to base64 of UTF-16 with `,` for `/`. */

/** `name` as Latin-1 octets; what does not decode stays as it is. Raw UTF-8 (RFC 6855) is taken as that. */
export function decodeMailboxName(name: string): string {
  const octets = Buffer.from(name, 'latin1');
  const utf8 = /[^\x00-\x7f]/.test(name) ? octets.toString('utf8') : name;
  return utf8.replace(/&([A-Za-z0-9+,]{0,1000})-/g, (whole, shifted: string) => {
    if (shifted === '') return '&';
    const utf16 = Buffer.from(shifted.replaceAll(',', '/'), 'base64');
    if (utf16.length < 2) return whole;
    return utf16
      .subarray(0, utf16.length & ~1)
      .swap16()
      .toString('utf16le');
  });
}
