/**
 * Single-byte charsets the runtime lacks: code pages of DOS mail programs, which the WHATWG standard has
 * dropped, and windows-1252, which `TextDecoder` of Node 20 reads as Latin-1 (0x92 becomes U+0092).
 */

/** Characters of octets 0x80 to 0xFF. */
const upperHalves = {
  ibm437:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0',
  ibm850:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0',
  'windows-1252':
    '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ\u00a0¡¢£¤¥¦§¨©ª«¬\u00ad®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ',
} as const;

export type SingleByteCharset = keyof typeof upperHalves;

export function isSingleByteCharset(charset: string): charset is SingleByteCharset {
  return charset in upperHalves;
}

export function decodeSingleByte(bytes: Buffer, charset: SingleByteCharset): string {
  const upper = upperHalves[charset];
  const units = Buffer.allocUnsafe(bytes.length * 2);
  for (const [index, octet] of bytes.entries()) {
    units.writeUInt16LE(octet < 0x80 ? octet : upper.charCodeAt(octet - 0x80), index * 2);
  }
  return units.toString('utf16le');
}
