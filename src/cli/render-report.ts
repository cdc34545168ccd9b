/** The report as text for people. */

import type { Report } from '../pipeline/report.ts';
import { counted, number } from './counted.ts';
import { octetsText } from './octets-text.ts';
import { printable } from './printable.ts';

/** Damaged captures named one by one; the JSON report has all of them. */
const damagedShown = 20;

export function renderReport(report: Report): string {
  const lines = [
    `mailproc ${report.day} (${report.timeZone})${report.interrupted ? ', interrupted: run it again to go on' : ''}`,
    '',
    row('captures', capturesText(report)),
    ...(report.captures.octets > 0 ? [row('octets', octetsText(report.captures.octets, report))] : []),
    row('connections', connectionsText(report)),
    row('mails', mailsText(report)),
    ...report.tables.map((table) => row('', `${table.name}  ${counted(table.rows, 'row')}`)),
    ...growingLines(report),
    row('images', imagesText(report)),
    ...lossLines(report),
    row('time', timeText(report)),
    row('rows in', report.store),
    ...(report.images.found > 0 ? [row('images in', report.imageFolder)] : []),
    ...noticeLines(report),
    ...damagedLines(report),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

function row(label: string, text: string): string {
  return `${label.padEnd(12)} ${text}`;
}

function capturesText({ captures }: Report): string {
  const { read, unchanged, busy, fileOctets, packets, ignored } = captures;
  const found =
    read + unchanged + busy > 0
      ? `${number(read)} read, ${bytes(fileOctets)}, ${counted(packets, 'packet')}`
      : 'none of this day';
  const before = unchanged > 0 ? `, ${number(unchanged)} unchanged since an earlier run` : '';
  const others = busy > 0 ? `, ${number(busy)} left to another run` : '';
  const reasons = Object.entries(ignored).map(
    ([reason, times]) => `${number(times)} ${reason.replaceAll('-', ' ')}`,
  );
  const left = reasons.length > 0 ? ` (left alone: ${reasons.join(', ')})` : '';
  return `${found}${before}${others}${left}`;
}

function connectionsText({ connections }: Report): string {
  const { smtp, pop3, imap, encrypted, other } = connections;
  return `${number(smtp)} SMTP, ${number(pop3)} POP3, ${number(imap)} IMAP, ${number(encrypted)} encrypted, ${number(other)} other`;
}

function mailsText(report: Report): string {
  const all = Object.values(report.mails);
  const sum = (field: 'seen' | 'added' | 'replaced' | 'known' | 'incomplete') =>
    all.reduce((total, counts) => total + counts[field], 0);
  const parts = [`${number(sum('added'))} new`];
  if (sum('replaced') > 0) parts.push(`${number(sum('replaced'))} completed`);
  if (sum('known') > 0) parts.push(`${number(sum('known'))} stored before`);
  if (sum('incomplete') > 0) parts.push(`${number(sum('incomplete'))} incomplete`);
  const { headerListings, refused } = report.noMails;
  if (headerListings > 0) parts.push(`besides ${counted(headerListings, 'header listing')}`);
  if (refused > 0) parts.push(`${number(refused)} refused before the text`);
  return `${number(sum('seen'))} (${parts.join(', ')})`;
}

function growingLines({ growing: { captures, mails } }: Report): string[] {
  if (captures.length === 0) return [];
  const left = mails > 0 ? `, ${counted(mails, 'mail')} in progress left to the next run` : '';
  return [row('', `${counted(captures.length, 'capture')} still written${left}`)];
}

function imagesText({ images }: Report): string {
  const written =
    images.written < images.found ? `, ${number(images.found - images.written)} written before` : '';
  const invalid = images.invalid > 0 ? `, ${number(images.invalid)} that claimed to be one and are none` : '';
  return `${number(images.found)}${written}${invalid}`;
}

function lossLines(report: Report): string[] {
  const entries = Object.entries(report.anomalies).sort(([one], [other]) => (one < other ? -1 : 1));
  const lost = report.lostOctets > 0 ? [`${bytes(report.lostOctets)} were sent but not captured`] : [];
  const unread = Object.entries(report.captures.unknownLinkTypes).map(
    ([name, packets]) => `${counted(packets, 'packet')} of link type ${name}, which is not read`,
  );
  const texts = [...lost, ...unread, ...entries.map(([code, times]) => `${number(times)} × ${code}`)];
  if (texts.length === 0) return [row('losses', 'none')];
  return texts.map((text, index) => row(index === 0 ? 'losses' : '', text));
}

function timeText({ seconds, captures }: Report): string {
  const rate = seconds > 0 ? `, ${(captures.fileOctets / 1e6 / seconds).toFixed(1)} MB/s` : '';
  return `${seconds.toFixed(seconds < 10 ? 2 : 0)} s${rate}`;
}

/** Settings were told when the store was opened. */
function noticeLines({ notices }: Report): string[] {
  const events = notices.filter(({ code }) => code !== 'config.warning');
  return events.length === 0 ? [] : ['', 'from the store:', ...events.map(({ detail }) => `  ${detail}`)];
}

function damagedLines({ captures }: Report): string[] {
  if (captures.damaged.length === 0) return [];
  const shown = captures.damaged.slice(0, damagedShown);
  const rest = captures.damaged.length - shown.length;
  return [
    '',
    'damaged or unreadable captures (what came before the damage was read):',
    ...shown.map(({ path, detail }) => `  ${path}: ${detail}`),
    ...(rest > 0 ? [`  and ${number(rest)} more, see --json`] : []),
  ];
}

function bytes(value: number): string {
  const units = ['octets', 'kB', 'MB', 'GB', 'TB'];
  const power = value < 1000 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), units.length - 1);
  const scaled = value / 1000 ** power;
  return `${power === 0 ? number(value) : scaled.toFixed(scaled < 10 ? 1 : 0)} ${units[power]}`;
}
