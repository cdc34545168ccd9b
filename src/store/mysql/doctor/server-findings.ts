/** What is wrong with a server by itself: text, writing, time, room. */
import { doctorLimits } from '../../../core/limits.ts';
import type { Finding } from '../../finding.ts';
import type { Examined } from './server-status.ts';

export function serverFindings(post: Examined): Finding[] {
  return [
    ...textFindings(post),
    ...writeFindings(post),
    ...packetFindings(post),
    ...clockFindings(post),
    ...spaceFindings(post),
  ];
}

export function nameOf({ server }: Pick<Examined, 'server'>): string {
  return server.name;
}

function textFindings(post: Examined): Finding[] {
  const { variables, sessionCharacterSets, isTextIntact } = post.status;
  const about = nameOf(post);
  const findings: Finding[] = [];
  const odd = sessionCharacterSets.filter((name) => name !== 'utf8mb4');
  if (odd.length > 0 || !isTextIntact) {
    findings.push({
      code: 'mysql.connection-charset',
      weight: 'problem',
      about,
      what: `connections ask for utf8mb4 and get ${[...new Set(odd)].join(', ')}: text would be stored damaged`,
      remedy: 'remove skip-character-set-client-handshake, and SET NAMES from init_connect',
    });
  }
  const characterSet = variables.get('character_set_server') ?? '';
  if (!characterSet.startsWith('utf8')) {
    findings.push({
      code: 'mysql.server-charset',
      weight: 'note',
      about,
      what: `its default character set is ${characterSet}: tables made here by hand or by other programs hold no Chinese`,
      remedy:
        'SET GLOBAL character_set_server = utf8mb4, and character-set-server = utf8mb4 in my.cnf; tables of mailproc name their own',
    });
  }
  const mode = variables.get('sql_mode') ?? '';
  if (!/STRICT_(?:TRANS|ALL)_TABLES/.test(mode)) {
    findings.push({
      code: 'mysql.sql-mode',
      weight: 'note',
      about,
      what: `sql_mode is "${mode}", not strict: other programs that write here lose text without a word`,
      remedy:
        'add STRICT_TRANS_TABLES to sql_mode in my.cnf; mailproc sets its own mode and counts what it must cut',
    });
  }
  return findings;
}

function writeFindings(post: Examined): Finding[] {
  const { status, role } = post;
  const about = nameOf(post);
  const findings: Finding[] = [];
  const isReadOnly = ['1', 'ON'].includes(status.variables.get('read_only') ?? '');
  if (isReadOnly && role !== 'replica') {
    const what = role === 'active master' ? 'no row can be written' : 'it cannot take over';
    findings.push({
      code: 'mysql.read-only',
      weight: 'problem',
      about,
      what: `it is read-only as ${role}: ${what}`,
      remedy: 'SET GLOBAL read_only = OFF, and take read_only out of my.cnf; or name it as a replica',
    });
  }
  if (!isReadOnly && role === 'replica') {
    findings.push({
      code: 'mysql.replica-writable',
      weight: 'note',
      about,
      what: 'this replica takes writes: what somebody writes here is on no other server',
      remedy: 'SET GLOBAL read_only = ON, and read_only = ON in my.cnf',
    });
  }
  if (!status.hasInnodb) {
    findings.push({
      code: 'mysql.innodb',
      weight: 'problem',
      about,
      what: 'it has no InnoDB: without transactions nothing can be stored exactly once',
      remedy: 'take skip-innodb out of my.cnf, and read the error log of the server',
    });
  }
  const flush = status.variables.get('innodb_flush_log_at_trx_commit');
  if (role !== 'replica' && flush !== '1') {
    findings.push({
      code: 'mysql.durability',
      weight: 'note',
      about,
      what: `innodb_flush_log_at_trx_commit is ${flush}: a power cut may take the last second of rows that were acknowledged`,
      remedy: 'SET GLOBAL innodb_flush_log_at_trx_commit = 1',
    });
  }
  return findings;
}

function packetFindings(post: Examined): Finding[] {
  const bytes = Number(post.status.variables.get('max_allowed_packet'));
  if (bytes >= doctorLimits.packetBytesMin) return [];
  return [
    {
      code: 'mysql.packet',
      weight: 'problem',
      about: nameOf(post),
      what: `max_allowed_packet is ${mebibytes(bytes)}: longer texts are cut`,
      remedy: 'SET GLOBAL max_allowed_packet = 67108864, and the same in my.cnf',
    },
  ];
}

function clockFindings(post: Examined): Finding[] {
  const { clockAheadMs } = post.status;
  if (Math.abs(clockAheadMs) <= doctorLimits.clockMsMax) return [];
  const seconds = (Math.abs(clockAheadMs) / 1000).toFixed(1);
  return [
    {
      code: 'mysql.clock',
      weight: 'problem',
      about: nameOf(post),
      what: `its clock is ${seconds} s ${clockAheadMs > 0 ? 'ahead of' : 'behind'} that of this host`,
      remedy:
        'keep the time of both by NTP (systemd-timesyncd, chrony): leases end by the clock of the server',
    },
  ];
}

function spaceFindings(post: Examined): Finding[] {
  const { freeSpace } = post.status;
  if (freeSpace === undefined) return [];
  const { freeBytes, totalBytes } = freeSpace;
  const isEnough =
    freeBytes >= doctorLimits.freeBytesMin && freeBytes >= totalBytes * doctorLimits.freeShareMin;
  if (isEnough) return [];
  return [
    {
      code: 'mysql.space',
      weight: 'problem',
      about: nameOf(post),
      what: `${mebibytes(freeBytes)} of ${mebibytes(totalBytes)} are free where its data is`,
      remedy: 'make room there; a server without space lets every writer wait',
    },
  ];
}

export function mebibytes(bytes: number): string {
  return bytes < 10 * 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${Math.round(bytes / 2 ** 30)} GiB`;
}
