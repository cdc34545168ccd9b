/** Builds mails octet by octet: what a test writes is what is decoded. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** Octets of a mail: text becomes UTF-8 with CRLF line ends, buffers stay as they are. */
export function octets(...pieces: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) =>
      typeof piece === 'string' ? Buffer.from(piece.replaceAll('\n', '\r\n'), 'utf8') : piece,
    ),
  );
}

/** Octets written as hexadecimal digits, blanks allowed. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(/\s/g, ''), 'hex');
}

/** Header lines and a body as one mail. */
export function mail(header: string, body: string | Buffer = ''): Buffer {
  return octets(`${header}\n\n`, body);
}

export function base64Lines(bytes: Buffer, columns = 76): string {
  return bytes.toString('base64').replace(new RegExp(`.{1,${columns}}`, 'g'), '$&\r\n');
}

/** Texts in charsets the runtime only reads, encoded by hand and checked by the tests that use them. */
export const chinese = {
  /** 中文测试 */
  gb2312: hex('d6d0 cec4 b2e2 cad4'),
  /** 中文測試 */
  big5: hex('a4a4 a4e5 b4fa b8d5'),
} as const;

/** The smallest valid pictures. */
export const pictures = {
  png: Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
    'base64',
  ),
  gif: Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64'),
  /** Header, a comment long enough for several base64 lines, and the end marker. */
  jpeg: Buffer.concat([
    hex('ffd8 ffe0 0010 4a464946 0001 0100 0001 0001 0000 fffe 0102'),
    Buffer.alloc(256, 0x5a),
    hex('ffd9'),
  ]),
} as const;

/** Folder of captures and mails kept beside the project, undefined where it is not there. */
export function sharedFolder(name: string): string | undefined {
  const folder = resolve(import.meta.dirname, '../../../../shared', name);
  return existsSync(folder) ? folder : undefined;
}
