/** Properties of `system` in MyCat's server.xml: all but the type of the sequence are about MyCat itself. */

/** The second is how older versions spell it. */
export const sequenceTypeProperties: readonly string[] = ['sequenceHandlerType', 'sequnceHandlerType'];

/** Spelt as MyCat spells them. */
export const systemProperties: readonly string[] = [
  ...sequenceTypeProperties,
  ...words(`
    authTimeout backSocketNoDelay backSocketSoRcvbuf backSocketSoSndbuf bigResultSizeSqlCount bindIp
    bufferPoolChunkSize bufferPoolPageNumber bufferPoolPageSize bufferUsagePercent catletClassCheckSeconds charset
    checkTableConsistency checkTableConsistencyPeriod clearBigSqLResultSetMapMs clusterHeartbeatPass
    clusterHeartbeatPeriod clusterHeartbeatRetry clusterHeartbeatTimeout clusterHeartbeatUser
    dataNodeHeartbeatPeriod dataNodeIdleCheckPeriod defaultMaxLimit defaultSqlParser enableWriteQueueFlowControl
    fakeMySQLVersion flowControlRejectStrategy frontSocketNoDelay frontSocketSoRcvbuf frontSocketSoSndbuf
    frontWriteQueueSize glableTableCheckPeriod handleDistributedTransactions idleTimeout ignoreUnknownCommand
    managerExecutor managerPort maxPacketSize maxPreparedStmtCount maxResultSet maxStringLiteralLength
    memoryPageSize mutiNodeLimitType mutiNodePatchSize mycatNodeId nonePasswordLogin packetHeaderSize parallExecute
    parserCommentVersion processorBufferChunk processorBufferLocalPercent processorBufferPool
    processorBufferPoolType processorCheckPeriod processorExecutor processors removeGraveAccent
    sequenceHanlderClass sequnceHandlerPattern sequnceMySqlRetryCount sequnceMySqlWaitTime serverBacklog
    serverNodeId serverPort spillsFileBufferSize sqlExecuteTimeout sqlInterceptor sqlInterceptorFile
    sqlInterceptorType sqlRecordCount strictTxIsolation subqueryRelationshipCheck systemReserveMemorySize
    timerExecutor txIsolation useCompression useGlobleTableCheck useHandshakeV10 useOffHeapForMerge useSqlStat
    useStreamOutput useZKSwitch usingAIO writeQueueRecoverThreshold writeQueueStopThreshold XARecoveryLogBaseDir
    XARecoveryLogBaseName`),
];

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
