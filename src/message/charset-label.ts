/** Names of charsets: what mail programs write, and the canonical name (WHATWG Encoding §4.2 or our own) it means. */

/** Ours that the WHATWG standard lacks; `us-ascii` is kept apart since 8-bit text under it must be guessed. */
const aliases: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'us-ascii':
      'us-ascii ascii us us_ascii usascii ansi_x3.4-1968 ansi_x3.4-1986 iso_646.irv:1991 iso646-us iso-ir-6 646 csascii x-ascii 7bit',
    'utf-8':
      'utf8 utf-8 utf utf_8 unicode-1-1-utf-8 unicode-2-0-utf-8 cp65001 x-utf-8 utf-8mb4 utf8mb4 unicode11utf8 unicode20utf8 x-unicode20utf8 utf-8;',
    'utf-7':
      'utf-7 utf7 unicode-1-1-utf-7 unicode-2-0-utf-7 x-unicode-2-0-utf-7 cp65000 csunicode11utf7 utf-7-imap',
    'utf-16': 'utf-16 utf16 unicode ucs-2 ucs2 iso-10646-ucs-2 csunicode unicodefffe unicodefeff utf_16',
    'utf-32': 'utf-32 utf32 ucs-4 ucs4 iso-10646-ucs-4 utf-32le utf-32be',
    gb18030:
      'gb18030 gb gbk gb2312 gb-2312 gb_2312 gb_2312-80 gb2312-80 gb_2312_80 gb2312-1980 csgb2312 csgb231280 cs_gb2312 iso-ir-58 chinese x-gbk x-gb18030 x-gb2312 cp936 ms936 windows-936 x-cp936 936 cp20936 x-cp20936 gb-18030 gb18030-2000 cp54936 euc-cn euccn x-euc-cn x-mac-chinesesimp x-mac-gb2312 gb2312.1980-0 gbk-0 chinesegb gb2312_charset hz-gb18030 eucgb2312_cn',
    'hz-gb-2312': 'hz-gb-2312 hz hz-gb2312 hzgb2312 x-hz cp52936',
    big5: 'big5 big-5 big5-hkscs big5hkscs big5-eten cn-big5 csbig5 x-x-big5 x-big5 cp950 ms950 windows-950 950 x-mac-chinesetrad chinesebig5 big5_charset big5-2003 cp951 big5-hkscs:1999 big5_tw hkscs',
    'iso-2022-kr': 'iso-2022-kr csiso2022kr iso2022kr iso-2022_kr',
    'iso-2022-cn': 'iso-2022-cn iso2022cn csiso2022cn iso-2022-cn-ext',
    'iso-2022-jp':
      'iso-2022-jp csiso2022jp iso2022jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-ms cp50220 cp50221 cp50222 jis jis7 x-iso-2022-jp iso_2022-jp iso-2022-jp-2004 iso-2022-jp-ext',
    shift_jis:
      'shift_jis shift-jis sjis x-sjis ms_kanji csshiftjis cp932 ms932 windows-31j cswindows31j 932 x-mac-japanese shift_jisx0213 ms-kanji mskanji shiftjis shift_jis_2004 sjis_2004 s_jis',
    'euc-jp':
      'euc-jp eucjp x-euc-jp x-euc ujis cp51932 cp20932 euc_jp eucjp-ms euc_jis_2004 euc_jisx0213 x-eucjp-open-19970715-ms',
    'euc-kr':
      'euc-kr euckr ks_c_5601-1987 ks_c_5601-1989 ks_c_5601 ksc5601 ksc_5601 ks-c-5601-1987 ks_c_5601_1987 korean cp949 ms949 windows-949 uhc x-windows-949 949 cp51949 x-mac-korean kr johab-kr euc_kr cseuckr iso-ir-149',
    'windows-1252':
      'latin1 latin-1 l1 iso-8859-1 iso8859-1 iso_8859-1 iso_8859-1:1987 iso88591 iso-8859_1 8859-1 8859_1 iso-8859-1-windows-3.1-latin-1 ansi cp1252 x-ansi windows-1252 windows1252 win-1252 windows-latin-1 ms-ansi ms1252 cp-1252 cp819 ibm819 iso-ir-100 csisolatin1 x-cp1252 1252 iso-8895-1 iso-8559-1 cp-850w windows',
    'windows-874': 'tis620 tis620-0',
    ibm437: 'ibm437 cp437 437 cspc8codepage437 dos-437 ms-dos',
    ibm850: 'ibm850 cp850 850 cspc850multilingual dos-850 pc850 pc-multilingual-850',
    ibm866: 'ibm866 cp866 866 cp-866 dos-866 csibm866 alt',
    macintosh: 'macintosh mac x-mac-roman macroman mac-roman csmacintosh x-macroman x-mac',
    'x-mac-cyrillic': 'x-mac-cyrillic x-mac-ukrainian maccyrillic',
    'koi8-r': 'koi8-r koi8 koi koi8r koi-8 koi-8-r cskoi8r koi8_r cp20866 cp878',
    'koi8-u': 'koi8-u koi8u koi8-ru cp21866',
    'iso-8859-8': 'iso-8859-8-e iso-8859-8-i iso-8859-8 hebrew csisolatinhebrew logical visual iso8859-8',
  }).flatMap(([canonical, names]) => names.split(' ').map((name) => [name, canonical] as const)),
);

const resolved = new Map<string, string | undefined>();
/** Mails invent labels without end; the memory of them is not allowed to grow with the capture. */
const resolvedMax = 2000;
const labelLengthMax = 100;

/** Canonical name of a charset label as found in a mail, undefined where it means nothing. */
export function canonicalCharset(label: string): string | undefined {
  if (label.length > labelLengthMax) return undefined;
  const known = resolved.get(label);
  if (known !== undefined || resolved.has(label)) return known;
  const canonical = resolve(label);
  if (resolved.size >= resolvedMax) resolved.clear();
  resolved.set(label, canonical);
  return canonical;
}

export function isChinese(charset: string): boolean {
  return charset === 'gb18030' || charset === 'hz-gb-2312' || charset === 'iso-2022-cn';
}

function resolve(label: string): string | undefined {
  // A language may follow the charset (RFC 2231 §5): `gb2312*zh`; so may a comment or a lost parameter.
  const name = label
    .toLowerCase()
    .replace(/["'<>\\\s]/g, ' ')
    .trim()
    .replace(/[ *;(,?].*$/, '')
    .replace(/^charset=/, '');
  if (name === '') return undefined;
  const direct = aliases.get(name) ?? aliases.get(name.replaceAll('_', '-'));
  if (direct !== undefined) return direct;
  const rewritten = name
    .replaceAll('_', '-')
    .replace(/^(?:x-|cs)?(?:cp|windows|win|ms|ibm)-?(125\d|874)$/, 'windows-$1')
    .replace(/^(125\d)$/, 'windows-$1')
    .replace(/^(?:x-)?(?:iso-?)?-?8859-?(\d{1,2})(?:-[ie])?(?::.*)?$/, 'iso-8859-$1');
  return aliases.get(rewritten) ?? webName(rewritten) ?? webName(name) ?? webName(name.replace(/^x-/, ''));
}

function webName(name: string): string | undefined {
  try {
    const { encoding } = new TextDecoder(name);
    return encoding === 'gbk' ? 'gb18030' : encoding;
  } catch {
    // RangeError: the standard does not know the label.
    return undefined;
  }
}
