/**
 * Prints how many of the cases in `test/support/mime-cases.ts` mailproc, mailparser and postal-mime read in full,
 * side by side.
 */
import { type ParsedMail, simpleParser } from 'mailparser';
import PostalMime, { type Address as PostalAddress } from 'postal-mime';
import { decodeMessage } from '../../src/message/decode-message.ts';
import { imageFormatOf } from '../../src/message/image-format.ts';
import { type Expectation, mimeCases } from '../../test/support/mime-cases.ts';

interface Reading {
  readonly subject: string;
  readonly from: readonly (readonly [string, string])[];
  readonly to: readonly (readonly [string, string])[];
  readonly text: string;
  readonly names: readonly string[];
  readonly images: readonly Buffer[];
  readonly files: readonly Buffer[];
}

const lines: string[] = [];
const scores = { mailproc: 0, mailparser: 0, postalMime: 0 };
for (const { name, bytes, expected } of mimeCases) {
  const message = decodeMessage(bytes);
  const own = agrees(expected, {
    subject: message.subject ?? '',
    from: message.from.map((one) => [one.name, one.address]),
    to: message.to.map((one) => [one.name, one.address]),
    text: message.text,
    names: message.attachments.map((one) => one.name ?? ''),
    images: message.attachments.filter((one) => one.imageFormat !== undefined).map((one) => one.bytes),
    files: message.attachments.map((one) => one.bytes),
  });
  const byMailparser = agrees(expected, await readByMailparser(bytes));
  const byPostalMime = agrees(expected, await readByPostalMime(bytes));
  scores.mailproc += own ? 1 : 0;
  scores.mailparser += byMailparser ? 1 : 0;
  scores.postalMime += byPostalMime ? 1 : 0;
  lines.push(
    `| ${name} | ${[own, byMailparser, byPostalMime].map((right) => (right ? '✓' : '✗')).join(' | ')} |`,
  );
}
const of = `/${mimeCases.length}`;
console.log(
  `| case | mailproc ${scores.mailproc}${of} | mailparser 3.9.31 ${scores.mailparser}${of} | postal-mime 4.0.0 ${scores.postalMime}${of} |`,
);
console.log('|---|---|---|---|');
console.log(lines.join('\n'));

/** Whether the mail is told to be whole is not compared: the others do not say. White space is not compared either. */
function agrees(expected: Expectation, reading: Reading): boolean {
  const { whole: _, ...rest } = expected;
  return Object.entries(rest).every(([key, value]) => {
    return comparable(value) === comparable(reading[key as keyof Reading]);
  });
}

function comparable(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'string' ? inner.replace(/\s+/g, ' ').trim() : inner,
  );
}

async function readByMailparser(bytes: Buffer): Promise<Reading> {
  const empty: Reading = { subject: '', from: [], to: [], text: '', names: [], images: [], files: [] };
  let mail: ParsedMail;
  try {
    mail = await simpleParser(bytes);
  } catch {
    return empty;
  }
  const addresses = (field: ParsedMail['to']): [string, string][] =>
    (field === undefined ? [] : [field].flat())
      .flatMap((list) => list.value)
      .flatMap((one) => one.group ?? [one])
      .map((one) => [one.name ?? '', one.address ?? '']);
  return {
    subject: mail.subject ?? '',
    from: addresses(mail.from),
    to: addresses(mail.to),
    text: mail.text ?? '',
    names: mail.attachments.map((one) => one.filename ?? ''),
    images: mail.attachments
      .map((one) => one.content)
      .filter((content) => imageFormatOf(content) !== undefined),
    files: mail.attachments.map((one) => one.content),
  };
}

async function readByPostalMime(bytes: Buffer): Promise<Reading> {
  const mail = await PostalMime.parse(bytes).catch(() => undefined);
  if (mail === undefined)
    return { subject: '', from: [], to: [], text: '', names: [], images: [], files: [] };
  const addresses = (list: readonly PostalAddress[]): [string, string][] =>
    list.flatMap((one) => one.group ?? [one]).map((one) => [one.name, one.address ?? '']);
  const files = mail.attachments.map(({ content }) =>
    typeof content === 'string' ? Buffer.from(content) : Buffer.from(content as ArrayBuffer),
  );
  return {
    subject: mail.subject ?? '',
    from: mail.from === undefined ? [] : addresses([mail.from]),
    to: addresses(mail.to ?? []),
    text: mail.text ?? '',
    names: mail.attachments.map(({ filename }) => filename ?? ''),
    images: files.filter((content) => imageFormatOf(content) !== undefined),
    files,
  };
}
