/** What is in a capture, as text for a person. */

import type { ZoneClock } from '../core/clock.ts';
import type {
  ExplainedConnection,
  ExplainedEvent,
  ExplainedFile,
  ExplainedGap,
  ExplainedMail,
  ExplainedTotals,
} from '../pipeline/explanation.ts';
import { counted, number } from './counted.ts';
import { octetsText } from './octets-text.ts';
import { printable } from './printable.ts';

type Frame = ExplainedMail['seen'];

export function renderFile(file: ExplainedFile, clock: ZoneClock): string {
  const { path, format, compression, bytes, packets, linkTypes, firstPacketNs, lastPacketNs } = file;
  const kind = [format ?? 'no capture', ...(compression === null ? [] : [`compressed with ${compression}`])];
  const facts = [...kind, `${number(bytes)} octets`, counted(packets, 'packet'), ...linkTypes];
  if (file.hasSecrets) facts.push('with TLS secrets');
  const times =
    firstPacketNs === null || lastPacketNs === null
      ? []
      : [`  ${clock.dateTime(firstPacketNs)} to ${clock.dateTime(lastPacketNs)} (${clock.timeZone})`];
  const damage = file.damage.map(({ code, at, detail }) => `  ${code} at ${at}: ${detail}`);
  return lines([path, `  ${facts.join(', ')}`, ...times, ...(damage.length > 0 ? damage : ['  no damage'])]);
}

export function renderConnection(explained: ExplainedConnection, clock: ZoneClock): string {
  const { connection, first, last, octets } = explained;
  const begun = first === null ? [] : [clock.dateTime(first.timestampNs), duration(first, last)];
  const head = [`#${connection.id}`, `${end(connection.client)} → ${end(connection.server)}`, ...begun];
  const parts = [
    `${number(octets.mail)} octets of mail`,
    `${number(octets.protocol)} of protocol`,
    ...(octets.encrypted > 0 ? [`${number(octets.encrypted)} encrypted`] : []),
    ...(octets.other > 0 ? [`${number(octets.other)} other`] : []),
  ];
  return lines([
    '',
    head.join('  '),
    `  ${kindText(explained)}`,
    ...explained.layers.map(
      ({ name, detail }) => `  ${layerNames[name]}${detail === '' ? '' : `: ${detail}`}`,
    ),
    ...(explained.user === null ? [] : [`  user ${explained.user}`]),
    ...explained.events.flatMap(eventLines),
    `  ${closedText(explained)}; ${parts.join(', ')}`,
  ]);
}

export function renderTotals(totals: ExplainedTotals): string {
  const { connections, noMail, mails, noRows, lostOctets, packets } = totals;
  const kinds = Object.entries(connections).filter(([kind, times]) => times > 0 && kind !== 'other');
  const shown = kinds.map(([kind, times]) => `${number(times)} ${kindNames[kind] ?? kind}`);
  const others = Object.entries(noMail).map(([what, times]) => `${number(times)} ${what}`);
  const byRule = [
    ...(noRows['header-listing'] > 0 ? [counted(noRows['header-listing'], 'header listing')] : []),
    ...(noRows.refused > 0 ? [`${number(noRows.refused)} refused before the text`] : []),
    ...(noRows.encrypted > 0 ? [`${counted(noRows.encrypted, 'session')} in TLS without secrets`] : []),
  ];
  const unread = Object.entries(packets).map(
    ([name, times]) => `${number(times)} ${name.replaceAll('-', ' ')}`,
  );
  return lines([
    '',
    `connections  ${shown.join(', ') || 'none of mail'}`,
    ...(others.length > 0 ? [`no mail      ${others.join(', ')}`] : []),
    `mails        ${number(mails.whole + mails.incomplete)}${mails.incomplete > 0 ? `, ${number(mails.incomplete)} of them incomplete` : ''}`,
    ...(byRule.length > 0 ? [`no rows      ${byRule.join(', ')}`] : []),
    `octets       ${octetsText(totals.octetsRead, totals)}`,
    ...(lostOctets > 0 ? [`lost         ${number(lostOctets)} octets were sent but not captured`] : []),
    ...(unread.length > 0 ? [`no TCP       packets: ${unread.join(', ')}`] : []),
  ]);
}

const kindNames: Readonly<Record<string, string>> = {
  smtp: 'SMTP',
  pop3: 'POP3',
  imap: 'IMAP',
  encrypted: 'encrypted',
};

const layerNames = {
  tls: 'TLS',
  starttls: 'TLS after STARTTLS',
  compress: 'COMPRESS=DEFLATE',
  socks: 'SOCKS',
  'http-connect': 'HTTP CONNECT',
  'proxy-header': 'PROXY header',
} as const;

const evidenceTexts = {
  client: "told by the client's first words",
  server: "told by the server's first words",
  both: 'told by the words of both sides',
  port: 'told by the port alone',
} as const;

function kindText({ kind, protocol, evidence, reversed, noMail }: ExplainedConnection): string {
  if (protocol === null) {
    return kind === 'encrypted' ? 'encrypted, on a mail port: no rows' : `no mail: ${noMail ?? 'not told'}`;
  }
  const told = evidence === null ? [] : [evidenceTexts[evidence]];
  const roles = reversed ? ['client and server seemed reversed'] : [];
  const encrypted = kind === 'encrypted' ? ['encrypted from some point on'] : [];
  return [kindNames[protocol] ?? protocol, ...told, ...roles, ...encrypted].join(', ');
}

function eventLines(event: ExplainedEvent): string[] {
  switch (event.kind) {
    case 'said':
      return [row(event.seen, `${event.sender === 'client' ? 'C' : 'S'} ${event.text}`)];
    case 'mail':
      return mailLines(event);
    case 'gap':
      return [row(event.seen, gapText(event))];
    case 'anomaly':
      return [row(undefined, `! ${event.code} at ${event.at}: ${event.detail}`)];
    case 'no-row':
      return [row(undefined, `- no row: ${noRowTexts[event.what]}`)];
    case 'omitted':
      return [row(undefined, `… ${omittedText(event.counts)}`)];
  }
}

/** Mails named in one line. */
const namedMailsMax = 5;

function gapText({ sender, octets, mails }: ExplainedGap): string {
  const what = `! ${counted(octets, 'octet')} of the ${sender} ${octets === 1 ? 'is' : 'are'} not in the capture`;
  if (mails === null) return `${what}; what they held is hidden by TLS or compression`;
  if (mails.length === 0) return `${what}; no mail is known to miss them`;
  const numbers = mails.slice(0, namedMailsMax).map((each) => `#${each}`);
  const more = mails.length > namedMailsMax ? ` and ${number(mails.length - namedMailsMax)} more` : '';
  return `${what}; incomplete by it: mail ${numbers.join(', ')}${more}`;
}

const noRowTexts = {
  'header-listing': 'a header listing is no mail',
  refused: 'refused before the text was sent',
  encrypted: 'TLS without secrets from here on',
} as const;

function omittedText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, times]) => `${number(times)} more ${name}`)
    .join(', ');
}

function mailLines(mail: ExplainedMail): string[] {
  const { seen, last, number: mailNumber, method, bytes, sha256, subject, from } = mail;
  const where = last.frame === seen.frame && last.capture === seen.capture ? '' : ` to frame ${frame(last)}`;
  const facts = [`${method}, ${number(bytes)} octets${where}`, completeness(mail), ...acceptance(mail)];
  if (!mail.exact) facts.push('put together from sections');
  if (mail.anomalies.length > 0) facts.push(mail.anomalies.join(', '));
  const { envelope, mailbox } = mail;
  return [
    row(seen, `= mail #${mailNumber}: ${facts.join('; ')}`),
    row(undefined, `  sha256 ${sha256}`),
    ...(envelope === null
      ? []
      : [row(undefined, `  envelope <${envelope.from}> to ${envelope.to.map((to) => `<${to}>`).join(' ')}`)]),
    ...(mailbox === null ? [] : [row(undefined, `  mailbox ${mailbox}`)]),
    row(undefined, `  from ${from === '' ? '(none)' : from}, subject ${subject === '' ? '(none)' : subject}`),
  ];
}

function completeness({ complete, missing }: ExplainedMail): string {
  if (complete) return 'whole';
  const holes = missing.map(
    ({ offset, length }) => `${length === undefined ? 'the rest' : number(length)} at ${number(offset)}`,
  );
  return holes.length === 0 ? 'incomplete' : `incomplete: missing ${holes.join(', ')}`;
}

/** Where the mail was handed to the server; what is fetched needs no consent. */
function acceptance({ method, accepted }: ExplainedMail): string[] {
  if (!/^(?:DATA|BDAT|APPEND)/.test(method)) return [];
  return [accepted === null ? 'the answer was not captured' : accepted ? 'accepted' : 'refused at the end'];
}

function closedText({ closed, noMail }: ExplainedConnection): string {
  if (closed === null) return noMail === null ? 'given up' : 'not followed any further';
  return closedTexts[closed];
}

const closedTexts = {
  fin: 'closed',
  rst: 'reset',
  idle: 'silent for an hour',
  reuse: 'its ports were used again',
  limit: 'pushed out by newer connections',
  end: 'open when the capture ended',
} as const;

/** A frame of the first file is its number alone. */
function frame({ capture, frame: number }: Frame): string {
  return capture === 0 ? String(number) : `${capture + 1}:${number}`;
}

function row(seen: Frame | undefined, text: string): string {
  return `  ${(seen === undefined ? '' : frame(seen)).padStart(8)}  ${text}`;
}

function duration(first: Frame, last: Frame | null): string {
  const seconds = Number((last ?? first).timestampNs - first.timestampNs) / 1e9;
  return `${seconds.toFixed(seconds < 10 ? 3 : 0)} s`;
}

function end({ address, port }: ExplainedConnection['connection']['client']): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function lines(texts: readonly string[]): string {
  return `${texts.map(printable).join('\n')}\n`;
}
