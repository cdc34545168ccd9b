/** Code pages of DOS mail programs that the WHATWG standard has dropped. */

/** Characters of octets 0x80 to 0xFF. */
const upperHalves = {
  ibm437:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0',
  ibm850:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0',
} as const;

export function decodeSingleByte(bytes: Buffer, charset: keyof typeof upperHalves): string {
  const upper = upperHalves[charset];
  const units = Buffer.allocUnsafe(bytes.length * 2);
  for (const [index, octet] of bytes.entries()) {
    units.writeUInt16LE(octet < 0x80 ? octet : upper.charCodeAt(octet - 0x80), index * 2);
  }
  return units.toString('utf16le');
}
