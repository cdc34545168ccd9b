/** Real clients and servers: every mail of their captures, exactly, and none besides. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readCapture } from '../../../src/capture/read-capture.ts';
import { ImapDecoder } from '../../../src/dialogue/imap/imap-decoder.ts';
import type { RawMessage } from '../../../src/dialogue/types.ts';
import { PacketDecoder } from '../../../src/packet/packet-decoder.ts';
import { Reassembler } from '../../../src/stream/reassembler.ts';
import { sharedCaptures } from '../../support/shared-captures.ts';

interface Truth {
  readonly messages: readonly {
    readonly protocol: string;
    readonly method: string;
    readonly layer: string;
    readonly complete: boolean;
    readonly sha256: string | null;
    readonly decodable?: boolean;
  }[];
}

const names = (
  'imap_append_imaplib imap_append_raw imap_corpus_imaplib imap_courier imap_cyrus imap_getmail6 imap_gso_on ' +
  'imap_idle_new imap_imapc imap_imapflow imap_imaplib_forms imap_ipv6 imap_javamail imap_loss4_before ' +
  'imap_node_imap imap_offlineimap3 imap_partial_chunks imap_perl_ruby imap_raw_auth imap_raw_fetch ' +
  'imap_raw_pipeline imap_thunderbird_nocompress'
).split(' ');

for (const name of names) {
  const capture = sharedCaptures('lab', `${name}.pcapng`);
  const manifest = sharedCaptures('lab', `${name}.json`);
  const skip = capture === undefined || manifest === undefined;
  test(`ImapDecoder finds the mails of ${name}`, { skip }, async () => {
    const { messages } = JSON.parse(readFileSync(manifest ?? '', 'utf8')) as Truth;
    const found = (await heard(capture ?? '')).filter(({ layer }) => layer === 'plain');
    const whole = messages.filter(
      (each) => each.protocol === 'imap' && each.complete && each.layer === 'plain',
    );
    const exact = found.filter((each) => each.exact && each.complete && each.method !== 'APPEND CATENATE');
    assert.deepEqual(
      exact.map(({ octets }) => sha256(octets.read())).sort(),
      whole.map((each) => each.sha256).sort(),
    );
    const decodable = messages.filter((each) => each.method === 'FETCH sections' && each.decodable);
    const sections = found.filter(({ method }) => method === 'FETCH sections');
    assert.ok(sections.length >= decodable.length, `${sections.length} of ${decodable.length} from sections`);
  });
}

async function heard(file: string): Promise<RawMessage[]> {
  const found: RawMessage[] = [];
  const observer = {
    accept: (connection: ConstructorParameters<typeof ImapDecoder>[0]) => {
      const decoder = new ImapDecoder(connection, { trace: false });
      const isImap = [143, 1143].includes(connection.server.port);
      return {
        receive: (event: Parameters<ImapDecoder['receive']>[0]) => {
          for (const each of isImap ? decoder.receive(event) : [])
            if (each.kind === 'message') found.push(each);
          return isImap;
        },
      };
    },
    anomaly: () => {},
  };
  const packets = new PacketDecoder();
  const streams = new Reassembler(observer, { mailPorts: new Set([25, 110, 143, 1143]) });
  await readCapture(file, {
    packet: (packet) => {
      const segment = packets.decode(packet);
      if (segment) streams.receive(segment, 0);
    },
    anomaly: () => {},
  });
  streams.end();
  return found;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
