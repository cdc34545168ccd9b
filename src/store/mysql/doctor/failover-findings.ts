/**
 * What a failover may undo. A transaction that only the dead master has comes back with it, after the rows that
 * the other one took in its place, and replication lays it over them: a mail is less than it was, or gone.
 */
import type { Finding } from '../../finding.ts';
import { hasStandBy } from '../config/settings.ts';
import { nameOf } from './server-findings.ts';
import type { Examined } from './server-status.ts';

/** `posts` are the servers of one data host that were reached. */
export function failoverFindings(posts: readonly Examined[]): Finding[] {
  const masters = posts.filter(({ role }) => role !== 'replica');
  return masters.filter(canLoseItsPlace).flatMap((post) => [...lossFindings(post), ...waitingFindings(post)]);
}

function canLoseItsPlace({ dataHost, status }: Examined): boolean {
  return hasStandBy(dataHost) && status.galera === undefined;
}

function lossFindings(post: Examined): Finding[] {
  const lacking = whyNotLossless(post);
  if (lacking === undefined) return [];
  const isLaidOver = variable(post, 'slave_exec_mode') === 'IDEMPOTENT';
  return [
    {
      code: 'mysql.failover-loss',
      weight: isLaidOver ? 'problem' : 'note',
      about: nameOf(post),
      what: `${lacking}: when it dies, its last transactions may be on no other server${
        isLaidOver ? ', and with slave_exec_mode IDEMPOTENT they overwrite newer rows when it comes back' : ''
      }`,
      remedy: 'semi-synchronous replication with AFTER_SYNC on both masters (docs/scaling.md)',
    },
  ];
}

/** undefined: whatever it acknowledges, its twin has received, and nobody has seen it before. */
function whyNotLossless(post: Examined): string | undefined {
  if (!isOn(post, 'master_enabled', 'source_enabled'))
    return 'it waits for no stand-by before it acknowledges';
  const waitPoint = semiSync(post, 'master_wait_point', 'source_wait_point');
  if (waitPoint === 'AFTER_COMMIT')
    return 'it commits before its stand-by has the transaction (wait point AFTER_COMMIT)';
  return isOn(post, 'slave_enabled', 'replica_enabled')
    ? undefined
    : 'it acknowledges nothing that the other master writes (no semi-synchronous slave)';
}

/** A server that waited too long for its stand-by goes on without, and tells nobody. */
function waitingFindings(post: Examined): Finding[] {
  const isWanted = isOn(post, 'master_enabled', 'source_enabled');
  if (post.role !== 'active master' || !isWanted || post.status.isSemiSynchronous !== false) return [];
  return [
    {
      code: 'mysql.semi-sync-off',
      weight: 'problem',
      about: nameOf(post),
      what: 'its replication is not semi-synchronous at the moment: no stand-by has answered in time',
      remedy:
        'see whether the other master follows it (SHOW SLAVE STATUS there, MySQL: SHOW REPLICA STATUS); it goes back by itself',
    },
  ];
}

function isOn(post: Examined, old: string, later: string): boolean {
  return ['1', 'ON'].includes(semiSync(post, old, later) ?? '');
}

function semiSync(post: Examined, old: string, later: string): string | undefined {
  return variable(post, `rpl_semi_sync_${old}`) ?? variable(post, `rpl_semi_sync_${later}`);
}

function variable({ status }: Examined, name: string): string | undefined {
  return status.variables.get(name);
}
