/**
 * Every bound in one place, each with its reason. At the limit is accepted; one above gives an
 * `Anomaly` and a stated lesser result. Names end in their unit.
 */

export const captureLimits = {
  /** One read; the buffer is reused for the whole file. Measured flat between 1 and 4 MiB. */
  readBytes: 1 << 20,
  /** Larger blocks are damage: no interface delivers packets of this size. */
  blockBytesMax: 16 << 20,
  /** Interfaces a section may declare; each costs an object. */
  interfacesMax: 65_536,
  /** Longest interface name that is kept; 65,536 of them may be declared. */
  interfaceNameBytesMax: 256,
  /** Longest block looked for behind damage: libpcap's largest packet and its options. */
  searchedBlockBytesMax: 512 << 10,
  /** Octets read of a file to tell what it is, and when and where it was captured. */
  probeReadBytes: 256 << 10,
  /** Beginnings of captures kept by a process that follows a folder, some 600 octets each. */
  probesRemembered: 16_384,
  /** Captures of one name pattern that run beside each other; more are taken for captures of their own. */
  openSeriesMax: 16,
  /** One read of a compressed file. */
  compressedReadBytes: 64 << 10,
  /** Step in which gzip is unpacked: 16 KiB become at most 16 MiB, which is held until it is read. */
  gzipStepBytes: 16 << 10,
  /** Content of a compressed file searched for TLS secrets before it is read; a few seconds a file. */
  secretsUnpackedBytesMax: 1 << 30,
  /** Window of a zstd frame; the reference decoder refuses more, too (RFC 8878 §3.1.1.1.2 asks for 8 MiB). */
  zstdWindowBytesMax: 128 << 20,
  /** Octets of windows moved for nothing: each block moves the whole window, however little it holds. */
  zstdMovedBytesMax: 2 ** 32,
  /** Octets of a window moved for each octet of a file: a flush every 128 octets at the usual window of 8 MiB. */
  zstdMovedPerStoredByte: 1 << 16,
  /** The same for each octet of content: full blocks of 128 KiB in the largest window. */
  zstdMovedPerContentByte: 1 << 10,
} as const;

export const packetLimits = {
  /** Headers of one packet from the link layer to TCP: tags and tunnels nest at the cost of 4 octets each. */
  nestingMax: 32,
  /** IPv6 extension headers of one packet. */
  extensionHeadersMax: 16,
  /** Datagrams waiting for fragments at the same time. */
  fragmentedDatagramsMax: 1024,
  /** Octets held in unfinished datagrams, all together. */
  fragmentBytesMax: 16 << 20,
  /** Fragments are given up after this long in packet time (RFC 1122 §3.3.2: 60 to 120 s). */
  fragmentTimeoutSeconds: 60,
  /** Complete datagrams remembered so that copies of their fragments are known; 64 KiB each at worst. */
  completeDatagramsKept: 64,
} as const;

export const streamLimits = {
  /** Connections followed at once, 5 KiB each in the middle of a mail: 60 MB. The longest idle one is closed. */
  connectionsMax: 12_288,
  /** Connections without an event so far: a flood of SYNs must not push out those that carry mail. */
  unopenedConnectionsMax: 16_384,
  /** Closed connections remembered, so that a late retransmission does not open a new one. */
  closedConnectionsMax: 4096,
  /** Slots (a power of two) for connections of no interest, 4 octets each; a lost slot costs a second look. */
  ignoredConnectionSlots: 1 << 18,
  /** Connections whose hashes are equal; beyond it somebody knows how to aim, and the oldest is closed. */
  equalHashesMax: 64,
  /** Segments without handshake held until the start of a connection is taken as it is: a SYN may come late. */
  startSegmentsMax: 32,
  /** First data may be this far behind its SYN to be of the same connection. */
  startWindowBytes: 4 << 20,
  /** Octets missing behind a SYN-ACK that was not captured: one window without scaling. */
  startHoleBytes: 64 << 10,
  /** Out-of-order octets held for one direction before the hole is declared a gap. */
  heldBytesPerDirectionMax: 4 << 20,
  /** Out-of-order octets held in all connections together, `heldSegmentBytes` added for each segment. */
  heldBytesMax: 24 << 20,
  /** What a held segment costs beside its octets: objects and the allocation. */
  heldSegmentBytes: 512,
  /** Segments held for one direction; tiny segments cost more than their octets. */
  heldSegmentsMax: 8192,
  /** An acknowledged hole is a gap after this many segments: captures reorder less (seen: 24). */
  gapSegments: 64,
  /** Segments of all connections after which a FIN or RST ends a connection although octets are missing. */
  closeSegments: 512,
  /** Octets ahead of the stream that are believed: the largest window there is, RFC 7323 §2.3. */
  windowBytesMax: 1 << 30,
  /** A longer hole is believed only if it was acknowledged or several segments lie behind it. */
  doubtfulGapBytes: 16 << 20,
  /** Octets behind the stream that can be a retransmission. */
  retransmittedBytesMax: 16 << 20,
  /** A RST may be this far ahead of what was seen. */
  resetWindowBytes: 1 << 20,
  /** Implausible segments in a row after which they must be a new connection whose SYN was not captured. */
  strangeSegmentsMax: 8,
  /** Segments over which the packet clock is the earliest time: one wild time stamp moves nothing. */
  clockSegments: 256,
  /** A connection without packets for this long in packet time is over (RFC 5321 §4.5.3.2: 10 min). */
  idleSeconds: 3600,
  /** A SYN that got no answer is repeated for so long at most (Linux: 127 s). */
  handshakeSeconds: 180,
} as const;

export const dialogueLimits = {
  /** A command or reply line; longer lines are shortened and the framing is kept. */
  lineBytesMax: 1 << 20,
  /** Octets of a command that are looked at; RFC 4954 §4 allows 12,288 with a SASL response, all others less. */
  commandBytesMax: 16 << 10,
  /** Octets of one mail, if nothing else is wanted; the rest is counted as missing. */
  messageBytesMax: 64 << 20,
  /** What may be wanted instead: a mail is decoded in memory as a whole. */
  messageBytesMin: 64 << 10,
  messageBytesCeiling: 1 << 30,
  /** Holes in one mail, an object each; what is behind the last of them is not kept. */
  mailGapsMax: 10_000,
  /** Unread octets of one direction while the other side's answer is awaited. */
  unreadBytesMax: 8 << 20,
  /** The same where much is held already: some packets, so that only who waits for long is cut short. */
  unreadBytesMin: 8 << 10,
  /** Octets that all conversations of one share hold while they wait, their objects included. */
  heldBytesMax: 40 << 20,
  /** Where they hold more all the same, the longest idle connections are closed. */
  crowdedBytes: 56 << 20,
  /** Commands waiting for their reply. */
  unansweredMax: 4096,
  /** Recipients kept of one mail; RFC 5321 §4.5.3.1.8 asks for 100, servers allow thousands. */
  recipientsMax: 100_000,
  /** Characters kept of all recipients of one mail together. */
  recipientCharactersMax: 16 << 20,
  /** Octets of the client that wait for a server that was never heard: then it is not captured. */
  unheardServerBytesMax: 1 << 20,
  /** Packet time after which a client that goes on has certainly heard a server that the capture has not. */
  unheardServerSeconds: 60,
  /** Mails of a POP3 maildrop whose sizes are remembered. */
  listedSizesMax: 100_000,
  /** Places of one mail text that may be its end, if the server says so. */
  endCandidatesMax: 64,
  /** Octets of one connection that may be read a second time because the server saw an end there. */
  rereadBytesMax: 16 << 20,
  /** Octets behind a possible end that are compared with the replies. */
  lookAheadBytesMax: 4096,
  /** SMTP: octets of replies that were read and not taken, kept for a layer that may begin before them. */
  readAheadBytesMax: 64 << 10,
  /** First octets looked at to tell the protocol. */
  sniffBytesMax: 4096,
  /** Speeches and holes held meanwhile: they cost more than what they carry. */
  sniffEventsMax: 1024,
  /** Layers in one another, TLS in a proxy's tunnel for example; each costs time for every octet. */
  layersMax: 8,
  /** Octets kept while a side of which nothing was ever captured might still answer. */
  silentSideBytesMax: 1 << 20,
  /** IMAP: texts and literals of one command or response; the rest is passed over. */
  fragmentsMax: 10_000,
  /** IMAP: parenthesised lists in lists; deeper ones are passed over. */
  listDepthMax: 100,
  /** IMAP: values of one response; the rest is passed over. */
  listValuesMax: 200_000,
  /** IMAP: octets of sections and listings kept per connection until their mail is whole. */
  pendingSectionBytesMax: 32 << 20,
  /** IMAP: pieces of one section that arrive out of order. */
  sectionPiecesMax: 65_536,
  /** IMAP: expunged sequence numbers and known UIDs remembered of the selected mailbox. */
  sequenceNumbersMax: 16_384,
} as const;

export const tlsLimits = {
  /** Octets and holes heard while it is not told whether they are TLS: holes in a row could go on without end. */
  undecidedMax: 1024,
  /** A record's fragment, RFC 5246 §6.2.3: 2^14 and 2048 for its protection. */
  recordBytesMax: (1 << 14) + 2048,
  /** A ClientHello or ServerHello; other handshake messages are skipped, not held. */
  helloBytesMax: 1 << 14,
  /** Octets held of one connection while the other side's hello is awaited. */
  heldBytesMax: 4 << 20,
  /** Record numbers tried after a gap: how many records one gap may take. */
  recordNumbersTriedMax: 64,
  /** Records that do not open before the first that does: with more the secrets are of another session. */
  recordsRefusedMax: 8,
  /** Octets of one direction deciphered in vain before it is given up: forged headers cost without end. */
  wastedBytesMax: 64 << 20,
  /** Of these so many at once, a few records of the largest size tried with all numbers, */
  wastedBytesFree: 4 << 20,
  /** and so many more for each octet captured, so that what is small costs little. */
  wastedPerByte: 64,
  /** A line of a key log; the longest known label with its two values takes 260. */
  keyLogLineBytesMax: 512,
  /** Sessions a key log may hold: some 600 octets each, and captures bring their own key logs. */
  sessionsMax: 1_000_000,
} as const;

export const deflateLimits = {
  /** Octets inflated at once: DEFLATE grows up to 1032 times, so one step gives at most a megabyte. */
  stepBytesMax: 1024,
  /** Octets handed on at once. */
  pieceBytesMax: 1 << 14,
} as const;

export const messageLimits = {
  /** Header octets of one entity; the rest of an endless header is ignored. */
  headerBytesMax: 1 << 20,
  /** Header fields of one entity. */
  headerFieldsMax: 10_000,
  /** Parameters of one field, continuations included (RFC 2231 §3). */
  parametersMax: 1000,
  /** Addresses read from one field. */
  addressesMax: 10_000,
  /** Multiparts in multiparts, mails in mails. */
  depthMax: 256,
  /** Entities of one mail. */
  partsMax: 10_000,
  /** Text kept of one mail, in UTF-16 units. */
  textLengthMax: 8 << 20,
  /** Octets of one mail that are read as text: a text is held several times while it is made. */
  textBytesMax: 8 << 20,
  /** Decoded octets of one mail, all parts together, or as many as it has: all are in memory with the mail. */
  decodedBytesMax: 64 << 20,
} as const;

export const recordLimits = {
  /** Pixels an image may claim. Phones take 200 megapixels; beyond it is a trap for whoever opens the file. */
  imagePixelsMax: 250_000_000,
  /** Images written for one mail. */
  imagesMax: 1000,
  /** Other attachments written for one mail, where they are wanted. */
  attachmentsMax: 1000,
  /** Octets of the readable part of a file's name: with key and extension below the 143 of eCryptfs. */
  fileNameBytesMax: 100,
  /** Octets of the folder that is named after a capture; file systems end at 255. */
  folderNameBytesMax: 200,
  /** Missing ranges listed in the detail of one mail; `missing_bytes` counts them all. */
  missingRangesMax: 1000,
  /** Anomalies listed in the detail of one mail; the report counts them all. */
  anomaliesMax: 100,
} as const;

export const storeLimits = {
  /** The documented `id` has 31 bits. */
  idMax: 2_147_483_647,
  /** One line of an NDJSON file that is read again: the longest record, each character escaped. */
  lineBytesMax: 256 << 20,
  /** Octets read from or written to a file at once. */
  blockBytes: 1 << 20,
  /** Files made durable together: each such time costs the disk one commit of its journal. */
  fileWritesMax: 64,
  /** Keys of mails are anywhere in their table: a smaller cache would write pages out amid a batch, and read them again. */
  sqliteCacheBytes: 16 << 20,
  /** Pages of 4 KB that the write-ahead log takes before they go to their places: of several batches, not of each. */
  sqliteLogPages: 4000,
  /** Records of a batch that is worth a thread of its own: small runs end before one has started. */
  threadFromRecords: 1000,
  /** Heap of that thread: it holds the batch at hand and the next one. */
  threadHeapMegabytesMax: 512,
  /** And for what it needs for a mail alone. */
  threadYoungMegabytesMax: 6,
  /** How long a run waits for another one's transaction; that takes milliseconds for a batch. */
  busyTimeoutMs: 30_000,
  /** A lease not renewed for so long is free: a run that is alive renews it several times in between. */
  leaseMs: 120_000,
} as const;

export const pipelineLimits = {
  /** Mails decoded and written at once: enough to be fast, few enough to be held. */
  batchRecords: 2000,
  batchBytes: 8 << 20,
  /** Octets of mails in progress, and of those that wait to be decoded, in memory; the rest is on disk. */
  arenaBytes: 16 << 20,
  /**
   * With more in the heap, and in buffers outside of it, garbage is looked for sooner, see memory/heap-growth.ts: a
   * usual day stays below.
   */
  relaxedMemoryBytes: 112 << 20,
  tightGrowthPercent: 20,
  /** Until then: so much that it is looked for before it is asked for. */
  relaxedGrowthPercent: 100,
  /** So many octets more are looked through at once: strings of large texts are megabytes each. */
  heapGrowthBytesMax: 24 << 20,
  /** Mails of one share whose images are being written: enough to hide the disk's answer. */
  mailsInHandMax: 64,
  /** Octets of them; one larger mail is in hand alone. */
  mailBytesInHandMax: 8 << 20,
  /** Octets and mails that are handed to another thread at once; a larger mail goes alone. */
  parcelBytes: 256 << 10,
  parcelMails: 128,
  /** Parcels that a share has handed out. */
  parcelsInHandMax: 64,
  /** Octets of the mails of one delivery, the last one not counted: their texts are held until it is written. */
  deliveryBytes: 4 << 20,
  /** And so many mails: at the end of a capture thousands are over at once. */
  deliveryMails: 500,
  /** Octets of mails whose records a share has not delivered yet, and mails where other threads make them. */
  bytesAheadMax: 8 << 20,
  mailsMadeAheadMax: 8000,
  /** Deliveries of one share that wait for each other; most have no mail in them. */
  deliveriesMax: 64,
  /** Octets of mails whose deliveries a worker may be ahead of the slowest one. */
  deliveredBytesAheadMax: 16 << 20,
  /** Deliveries, one for each read, that a worker may be ahead of the slowest one. */
  deliveriesAheadMax: 32,
  /** Captures of fewer octets are read before a thread has started. */
  workersFromBytes: 16 << 20,
  /** Heap of a worker; octets of captures and mails are not in it. */
  workerHeapMegabytesMax: 2048,
  /** How far files of the next day are read for the mails that span midnight, in packet time. */
  afterMidnightSeconds: 900,
  /**
   * A file modified within this time, the last of its series, may still be written: longer than the ten minutes
   * between two runs, so that a file that is written all the time is never taken for finished.
   */
  freshSeconds: 900,
  /** Octets of finished files read again by each run to go on with conversations between two mails: seconds. */
  rereadBytesMax: 1 << 30,
  /** The same for mails in progress and conversations inside of TLS or DEFLATE, which are lost otherwise. */
  rereadMailBytesMax: 8 * 2 ** 30,
  /** A lease is renewed when this long has passed, well before it expires. */
  leaseRenewMs: 10_000,
  /** Looks at a day that differs, while a run may be writing. */
  verifyLooksMax: 5,
  /** Between them, where a server has other rows: replication takes its time. */
  verifyPauseMs: 1000,
} as const;

/** How a folder is followed. */
export const watchLimits = {
  /** From the first change to the run that reads it: what is written at once is read at once. */
  settleMs: 500,
  /** Rest behind a run, so that a capture that grows without end is not read without end. */
  restMsMin: 1000,
  /** Rest behind a run in times of what the run took: a growing capture is read from its beginning each time. */
  restTimes: 3,
  /** First and longest pause after a failure; the pauses double. */
  retryMsMin: 1000,
  retryMsMax: 60_000,
  /** How long captures are left to another run before they are looked at again. */
  busyMs: 10_000,
  /** Longest sleep: the day of a zone may change early or late, and machines are suspended. */
  sleepMsMax: 60_000,
  /** Time of day from which on nothing of the day before is awaited: behind `afterMidnightSeconds`. */
  finishTime: '00:16:00',
  /** Longest wait for a batch when it shall end; then it ends as if it had been killed, which is safe, too. */
  endMsMax: 1800,
  /** After this a file that has not grown is read to its end: behind `freshSeconds`. */
  quietMs: 905_000,
  /** How often folders are looked through where the system tells of no changes. */
  pollMs: 2000,
  /** How often all is looked through although the system tells: it may have had more to tell than it could. */
  sweepMs: 600_000,
  /** Changed files noted one by one; of more nobody asks whose day they are. */
  changesMax: 10_000,
  /** Folders that are watched; each costs a handle of the system, and one above all are polled. */
  foldersMax: 8192,
} as const;

export const mysqlLimits = {
  connectTimeoutMs: 5000,
  /** A statement of the heartbeat; a server that takes longer is as good as gone. */
  heartbeatTimeoutMs: 2000,
  /** Statements a connection keeps prepared; a server keeps 16,382 for all of its connections. */
  preparedStatementsMax: 64,
  /** Rows of one INSERT: to prepare a longer one takes longer than it saves. */
  insertRowsMax: 256,
  /** Octets of one INSERT, where the server's `max_allowed_packet` is not less. */
  insertBytesMax: 16 << 20,
  /** Keys looked up in one statement. */
  lookupKeysMax: 1000,
  /** Of a packet, what is left for everything but the content of a mail: all other columns at their widest. */
  packetReserveBytes: 256 << 10,
  /** A transaction that conflicts with others is tried this often. */
  attemptsMax: 30,
  /** Longest pause before the next attempt; the pauses double from 5 ms. */
  retryPauseMsMax: 1000,
  /** A lease that is not renewed ends after this time of the server's clock. */
  leaseMs: 60_000,
  /** A writer that makes tables and died at it keeps others from it for this time. */
  schemaLockMs: 10_000,
  /** How long the rest of a Galera cluster may take to form a primary component. */
  primaryWaitMs: 60_000,
  /** How long masters may be silent where none of the others can take the writes. */
  silenceMsMax: 60_000,
  /** How long a stand-by master may take to apply what it received, before it takes writes. */
  catchUpMsMax: 20_000,
  /** Rows kept after they were acknowledged, to be written again to a stand-by that may not have got them. */
  tailBytesMax: 32 << 20,
  tailMs: 10_000,
  /** Columns whose cuts are counted each on its own: 20 columns of 1000 tables. */
  cutColumnsMax: 20_000,
} as const;

export const clusterLimits = {
  /** Octets of one configuration file. */
  configBytesMax: 4 << 20,
  /** Names that ranges of one attribute stand for: 75 data hosts of 760 databases are 57,000. */
  namesMax: 65_536,
  /** Days of one range of a partition rule: a hundred years. */
  rangeDaysMax: 36_600,
  /** A clock set back by more is an error; by less, the time sequence waits for it. */
  clockBackMsMax: 5000,
  /** Ids of one question to a sequence: many times the rows of a batch. */
  idsMax: 1_000_000,
  /** Attempts at an update of the sequence that ends in a deadlock: Galera answers concurrent ones so. */
  sequenceAttemptsMax: 20,
  /** How long a run waits for another one that rewrites the same properties file; that takes milliseconds. */
  propertiesLockWaitMs: 30_000,
} as const;

/** From where on the doctor of a store complains. */
export const doctorLimits = {
  /** A replica further behind is of little use, and no master to fail over to. */
  lagSecondsMax: 60,
  /** Leases and time sequences bear less; clocks that are kept by NTP are within a tenth of it. */
  clockMsMax: 2000,
  freeBytesMin: 1 << 30,
  freeShareMin: 0.05,
  /** Of `max_allowed_packet`: the default of servers, and enough for the largest texts of mail. */
  packetBytesMin: 16 << 20,
  /** Newest day tables of a data node looked at one by one. */
  tablesMax: 200,
  /** From today on, days for which the configuration must have a place. */
  daysAhead: 7,
  /** Days in a row without table and entry: more are a pause, not days that were forgotten. */
  daysMissingMax: 31,
  /** Names listed in one sentence. */
  namesMax: 10,
  /** Of ids with 31 bits, those that should be left. */
  idsLeftMin: 100_000_000,
} as const;

export const explainLimits = {
  /** Lines of one kind (a command, a reply) shown of one connection before they are counted only. */
  repeatedShownMax: 12,
  /** Events kept of one connection; the rest is counted. */
  eventsMax: 5000,
  /** Events kept of all connections that are not printed yet. */
  heldEventsMax: 100_000,
  /** Finished connections held until those that began before them are finished. */
  heldConnectionsMax: 256,
  /** Characters of one line shown. */
  lineLengthMax: 200,
  /** Tags of IMAP commands remembered, so that their answers are known. */
  rememberedTagsMax: 64,
} as const;

export const sheetLimits = {
  /** Longer side of a thumbnail, in pixels. */
  thumbnailPixels: 240,
  /** Octets of an image that is made small; larger ones get a tile without a picture. */
  imageBytesMax: 64 << 20,
  /** Pixels that are decoded for a thumbnail: 200 MB where the format has to be decoded as a whole. */
  imagePixelsMax: 50_000_000,
  /** Seconds one thumbnail may take. */
  thumbnailSeconds: 10,
  /** Images that are made small at the same time. */
  thumbnailsAtOnce: 2,
  /** Tiles of one HTML file: some 20 kB each. */
  tilesPerPage: 500,
  /** Tiles of one WebP picture, whose sides end at 16,383 pixels. */
  tilesPerPicture: 200,
  /** Different images shown; the rest is counted. */
  tilesMax: 20_000,
  /** Rows with images read from the store at once. */
  rowsAtOnce: 200,
} as const;
