/** What a run did, in numbers that add up. */
import type { IgnoredFile, IgnoredReason } from '../capture/find-captures.ts';
import { linkTypeName } from '../capture/link-type.ts';
import type { AnomalyCode } from '../core/anomaly.ts';
import type { ConversationKind } from '../dialogue/conversation.ts';
import type { MailProtocol } from '../dialogue/types.ts';
import type { StoredTable } from '../store/sink.ts';
import {
  addFileOctets,
  addPacketOctets,
  addStreamOctets,
  emptyAccount,
  type OctetCounts,
  type SkipReason,
} from './octet-counts.ts';
import type { ReadFile, SeriesSummary } from './series-reader.ts';

export interface DamagedCapture {
  readonly path: string;
  readonly code: AnomalyCode;
  /** Where and what: never content of a mail. */
  readonly detail: string;
  /** Number of the last packet before it, from 1; null where there is none. */
  readonly behindFrame: number | null;
}

/** What the store had to say: `config.warning`, `store.failover`, `record.value-cut`. */
export interface Notice {
  readonly code: string;
  readonly detail: string;
}

/** Counts of mails by what became of them; `seen` is the sum of `added`, `replaced` and `known`. */
export interface MailCounts {
  seen: number;
  added: number;
  /** Known before as incomplete, now stored with more of it. */
  replaced: number;
  /** Stored by an earlier run. */
  known: number;
  /** With parse_sign 0. */
  incomplete: number;
  octets: number;
}

/** Plain data, the `--json` report; grows while the run goes on. */
export interface Report {
  day: string;
  timeZone: string;
  captures: {
    read: number;
    /** Read by an earlier run, and the same since. */
    unchanged: number;
    /** Left to another run that is at them now. */
    busy: number;
    /** Of the files as they are stored. */
    fileOctets: number;
    /** Of their content: more where they are compressed. */
    octets: number;
    packets: number;
    /** Packets of link types that cannot be read, by the name of the link type. */
    unknownLinkTypes: Record<string, number>;
    damaged: DamagedCapture[];
    ignored: Partial<Record<IgnoredReason, number>>;
  };
  connections: Record<ConversationKind, number>;
  mails: Record<MailProtocol, MailCounts>;
  /** Seen, but no mails by rule. */
  noMails: { headerListings: number; refused: number };
  images: { found: number; written: number; invalid: number };
  /** Anomalies by code, the captures' own included. */
  anomalies: Partial<Record<AnomalyCode, number>>;
  /** The fields add up to `captures.octets`. */
  octets: OctetCounts;
  /** `octets.skipped` by reason. */
  skippedOctets: Partial<Record<SkipReason, number>>;
  /** Captures that are still written, and the mails in progress at their ends: the next run stores those. */
  growing: { captures: string[]; mails: number };
  /** Octets that were sent but are not in the captures. */
  lostOctets: number;
  tables: StoredTable[];
  store: string;
  notices: Notice[];
  imageFolder: string;
  seconds: number;
  interrupted: boolean;
}

export function emptyReport(day: string, timeZone: string, store: string, imageFolder: string): Report {
  const mails = (): MailCounts => ({ seen: 0, added: 0, replaced: 0, known: 0, incomplete: 0, octets: 0 });
  return {
    day,
    timeZone,
    captures: {
      read: 0,
      unchanged: 0,
      busy: 0,
      fileOctets: 0,
      octets: 0,
      packets: 0,
      unknownLinkTypes: {},
      damaged: [],
      ignored: {},
    },
    connections: { smtp: 0, pop3: 0, imap: 0, encrypted: 0, other: 0 },
    mails: { smtp: mails(), pop3: mails(), imap: mails() },
    noMails: { headerListings: 0, refused: 0 },
    images: { found: 0, written: 0, invalid: 0 },
    anomalies: {},
    ...emptyAccount(),
    growing: { captures: [], mails: 0 },
    lostOctets: 0,
    tables: [],
    store,
    notices: [],
    imageFolder,
    seconds: 0,
    interrupted: false,
  };
}

/** What is there and may not be read counts as a capture that could not be read: nobody knows what is in it. */
export function addIgnored(report: Report, ignored: readonly IgnoredFile[]): void {
  const { captures } = report;
  for (const { path, reason, refusal } of ignored) {
    captures.ignored[reason] = (captures.ignored[reason] ?? 0) + 1;
    if (refusal === undefined) continue;
    countAnomaly(report, 'capture.unreadable');
    captures.damaged.push({ path, code: 'capture.unreadable', detail: refusal, behindFrame: null });
  }
}

/** Exit status of the command, see docs/usage.md. */
export function exitStatus(report: Report): 0 | 3 | 75 | 130 {
  if (report.interrupted) return 130;
  if (report.captures.busy > 0) return 75;
  return report.captures.damaged.length > 0 ? 3 : 0;
}

/** What the shares of a series count each for itself. */
export type ShareCounts = Pick<Report, 'connections' | 'noMails' | 'images' | 'anomalies' | 'octets'>;

export function emptyShareCounts(): ShareCounts {
  const { connections, noMails, images, anomalies, octets } = emptyReport('', '', '', '');
  return { connections, noMails, images, anomalies, octets };
}

export function addShareCounts(report: ShareCounts, counts: ShareCounts): void {
  addNumbers(report.connections, counts.connections);
  addNumbers(report.noMails, counts.noMails);
  addNumbers(report.images, counts.images);
  addNumbers(report.anomalies, counts.anomalies);
  addNumbers(report.octets, counts.octets);
}

function addNumbers<Name extends string>(
  sums: Partial<Record<Name, number>>,
  counts: Partial<Record<Name, number>>,
): void {
  for (const name of Object.keys(counts) as Name[]) sums[name] = (sums[name] ?? 0) + (counts[name] ?? 0);
}

export function countAnomaly(report: Pick<Report, 'anomalies'>, code: AnomalyCode, times = 1): void {
  if (times > 0) report.anomalies[code] = (report.anomalies[code] ?? 0) + times;
}

/** `cuts` are counted by column, and each as one loss. */
export function addNotices(
  report: Report,
  notices: readonly Notice[],
  cuts: ReadonlyMap<string, number> | undefined,
): void {
  report.notices.push(...notices);
  for (const times of cuts?.values() ?? []) countAnomaly(report, 'record.value-cut', times);
}

/**
 * Adds what was read of a series, `files` by all shares together. Every share has read all packets and its
 * own streams; what was in their conversations is in their `ShareCounts`.
 */
export function addSeries(
  report: Report,
  files: readonly ReadFile[],
  shares: readonly SeriesSummary[],
): void {
  const [first] = shares;
  if (first === undefined) return;
  addFiles(report, files);
  addGrowing(report, files, shares);
  addPackets(report, first.counts.packet);
  for (const { counts } of shares) addStreams(report, counts.stream);
}

function addGrowing(report: Report, files: readonly ReadFile[], shares: readonly SeriesSummary[]): void {
  const { growing } = report;
  const mails = shares.reduce((sum, { mailsInProgress }) => sum + mailsInProgress, 0);
  const last = files.at(-1);
  growing.mails += mails;
  if (last !== undefined && (mails > 0 || last.capture.isCut)) growing.captures.push(last.file.path);
}

function addFiles(report: Report, files: readonly ReadFile[]): void {
  const { captures } = report;
  for (const { file, capture } of files) {
    if (!capture.isUnread) captures.read++;
    captures.fileOctets += capture.fileBytes;
    captures.octets += capture.contentBytes;
    captures.packets += capture.packets;
    addFileOctets(report, capture);
    for (const { code, at, detail } of capture.anomalies) {
      const place = at.startsWith(`${file.path} `) ? at.slice(file.path.length + 1) : at;
      const behindFrame = capture.damagedBehindFrame;
      captures.damaged.push({ path: file.path, code, detail: `${place}: ${detail}`, behindFrame });
    }
  }
}

function addPackets(report: Report, counts: SeriesSummary['counts']['packet']): void {
  const { captures } = report;
  for (const [linkType, packets] of counts.unknownLinkTypes) {
    const name = linkTypeName(linkType);
    captures.unknownLinkTypes[name] = (captures.unknownLinkTypes[name] ?? 0) + packets;
  }
  addPacketOctets(report, counts);
  const { malformed, truncated } = counts.classes;
  countAnomaly(report, 'packet.malformed', malformed.packets);
  countAnomaly(report, 'packet.truncated', truncated.packets);
  countAnomaly(report, 'packet.nesting-limit', counts.classes['nesting-limit'].packets);
  countAnomaly(report, 'packet.fragments-incomplete', counts.datagramsIncomplete);
  countAnomaly(report, 'packet.fragment-limit', counts.datagramsOverLimit);
}

function addStreams(report: Report, counts: SeriesSummary['counts']['stream']): void {
  addStreamOctets(report, counts);
  report.lostOctets += counts.gapOctets;
}
