/** What is wrong with a Galera cluster, as each of its nodes sees it. */
import type { Finding } from '../../finding.ts';
import { nameOf } from './server-findings.ts';
import type { Examined } from './server-status.ts';

/** `posts` are the servers of one data host that were reached. */
export function galeraFindings(posts: readonly Examined[]): Finding[] {
  const nodes = posts.filter(({ status }) => status.galera !== undefined);
  const [first] = posts;
  if (first === undefined) return [];
  if (nodes.length === 0) return first.dataHost.switchType === 3 ? posts.map(noGalera) : [];
  return [...nodes.flatMap(nodeFindings), ...clusterFindings(nodes)];
}

function noGalera(post: Examined): Finding {
  return {
    code: 'mysql.galera-off',
    weight: 'problem',
    about: nameOf(post),
    what: 'it is no Galera node, and switchType 3 is for Galera: no other server would ever take over',
    remedy: 'set switchType 1 (or 2, where replication must be at the end), or wsrep_on = ON',
  };
}

function nodeFindings(post: Examined): Finding[] {
  const value = (name: string): string => post.status.galera?.get(name) ?? '';
  const [status, state] = [value('wsrep_cluster_status'), value('wsrep_local_state_comment')];
  if (status === 'Primary' && value('wsrep_ready') === 'ON' && state === 'Synced') return [];
  return [
    {
      code: 'mysql.galera-state',
      weight: 'problem',
      about: nameOf(post),
      what: `its Galera state is ${status}, ${state || 'unknown'}, ready ${value('wsrep_ready') || 'OFF'}: it takes no writes`,
      remedy:
        status === 'Primary'
          ? 'wait until it is Synced; a node that stays Donor or Joiner is told of in its error log'
          : "start the other nodes; where they are lost for good: SET GLOBAL wsrep_provider_options = 'pc.bootstrap=true' on one node",
    },
  ];
}

function clusterFindings(nodes: readonly Examined[]): Finding[] {
  const [first] = nodes;
  if (first === undefined) return [];
  const { dataHost } = first;
  const findings: Finding[] = [];
  const uuids = new Set(nodes.map(({ status }) => status.galera?.get('wsrep_cluster_state_uuid')));
  if (uuids.size > 1) {
    findings.push({
      code: 'mysql.galera-split',
      weight: 'problem',
      about: `data host ${dataHost.name}`,
      what: 'its nodes are of different Galera clusters: rows would be spread over them',
      remedy: 'join them to one cluster (wsrep_cluster_address), the smaller one without its data',
    });
  }
  const size = Number(first.status.galera?.get('wsrep_cluster_size'));
  if (size % 2 === 0) {
    findings.push({
      code: 'mysql.galera-size',
      weight: 'note',
      about: `data host ${dataHost.name}`,
      what: `its cluster has ${size} nodes: when half of them are out of reach, the rest stops too`,
      remedy: 'use three nodes, or two and an arbitrator (garbd)',
    });
  }
  if (dataHost.switchType !== 3 && dataHost.writeHosts.length > 1) {
    findings.push({
      code: 'mysql.galera-switch-type',
      weight: 'note',
      about: `data host ${dataHost.name}`,
      what: `its servers are Galera nodes and switchType is ${dataHost.switchType}: a node that has left the cluster is found by its errors only`,
      remedy: 'set switchType 3',
    });
  }
  return findings;
}
