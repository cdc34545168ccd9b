/** All targets by the name they have on the command line. */
import { captureTarget, compressedTarget } from './capture-targets.ts';
import { dialogueTarget, layerTarget } from './dialogue-targets.ts';
import { messageTarget, recordTarget } from './message-targets.ts';
import { packetTarget, reassemblerTarget } from './packet-targets.ts';
import { pipelineTarget } from './pipeline-target.ts';
import type { Target } from './target.ts';

export const targets: Readonly<Record<string, Target>> = {
  pcapng: captureTarget('pcapng'),
  pcap: captureTarget('pcap'),
  compressed: compressedTarget,
  packet: packetTarget,
  reassembler: reassemblerTarget,
  smtp: dialogueTarget('smtp'),
  pop3: dialogueTarget('pop3'),
  imap: dialogueTarget('imap'),
  conversation: dialogueTarget('conversation'),
  tls: layerTarget('tls'),
  deflate: layerTarget('deflate'),
  message: messageTarget,
  record: recordTarget,
  pipeline: pipelineTarget,
};
