// attempts.hpp: what test.fenced tries, by the number of its head; what else tests and plugins
// share.
#pragma once

constexpr int kReplyNumber = 22;  // of the host's Message::kReply

enum Attempt {
  kReadPasswords,
  kWriteTemporary,
  kSocket,
  kExecute,
  kFork,
  kSignalHost,
  kTraceHost,
  kReadOwnStatus,
  kWriteMark,
  kReadVariable,
  kLimitHost,
  kSystemMemory,
  kCapability,
  kChangeMode,
  kChangeOpenMode,
  kChangeOwner,
  kChangeTimes,
  kSetAttribute,
  kUnixSocket,
  kSocketPair,
  kDatagram,
  kKernelSocket,
  kOutliveHost,
  kReniceHost,
  kScheduleHost,
  kPinHost,
  kSignalByFile,
  kAttempts
};
