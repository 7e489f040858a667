// Package writer is the write path: everything that the server writes to a client's connection
// after the WebSocket handshake goes through the connection's [Writer].
//
// A Writer writes two things: answers, which its session hands over as bytes, and the frames of its
// feed, which it reads from the hub itself. Answers come first, and all that waits goes out in one
// write. There are no timers and no goroutine that waits for work. Whoever has something to write
// writes as much of it as the kernel takes at once; only for the rest, and for a long replay, does
// a goroutine exist. The package knows nothing of STOMP, of sessions or of who may see what.
//
// # States
//
// Most sessions of a server have the same subscriptions and are up to date. Their frames are put
// together once, by a broadcast, which writes the same bytes to each of its members.
//
//	          nothing is left to write,              the broadcast has
//	          others subscribed alike                caught it up
//	  alone ----------------------------> joining -------------------> joined
//	  ^ ^ |                                  |                          |  |
//	  | | |        Update, Adjust            |                          |  |
//	  | +-|----------------------------------+--------------------------+  |
//	  |   |                                  |                             |
//	  |   | the kernel takes only a part     |                             |
//	  |   +---------------------------> held up <--------------------------+
//	  |            all is written            |
//	  +--------------------------------------+
//
//	  any of them --- End ---> ending --- the last bytes are written ---> finished
//	  any of them, ending too --- a write fails ------------------------> finished
//
//	alone     The Writer reads its own feed: in its shard's turn, or in the call that changed
//	          something. When one write does not do, as in a replay, a goroutine goes on (catchUp). Pages
//	          of a replay that have nothing for the client are read in turn with those of others (next).
//	joining   It waits for the broadcast of its profile, and takes nothing from the feed meanwhile: the
//	          feed must not move on while the broadcast brings it to where the broadcast stands.
//	joined    The broadcast writes. The feed belongs to the broadcast's group, and only the group
//	          may use it. Answers and heart-beats still go out in between.
//	held up   A goroutine waits in conn.Write until the client reads, and answers wait behind it. If
//	          that takes longer than Limits.WriteTimeout, the write fails. What waits there is kept
//	          in memory: once for all whom a broadcast left it to, otherwise a copy each. With TLS
//	          each has beside that what was sealed before the kernel took no more, 16 KiB or so. The
//	          ledger bounds the sum, see Limits.UnreadBytes.
//	ending    The answers that wait and then the last bytes are still to be written.
//	finished  Nothing is written any more. The connection is closed, at once after an error,
//	          otherwise a moment later, so that the client sees the last bytes.
//
// # TLS
//
// Records are sealed for one session each, and a part of one cannot be taken back: a write to a
// tls.Conn that times out breaks it for good. Therefore the connection below takes all that is
// sealed and passes on what the kernel takes, and the tls.Conn never waits.
//
//	Writer ── plain bytes ──▶ tls.Conn ── records ──▶ recordConn ── what it takes at once ──▶ socket
//	                              ▲                       └─ the rest: the Writer is held up
//	session, which reads ─────────┘ answers of TLS
//
// So a Writer with TLS is in the same states, and in a broadcast. ListenTLS makes such connections;
// to a tls.Conn of another kind every write has a goroutine.
//
// # Locks
//
// A lock is taken only while holding locks above it:
//
//	Writer.mu           one connection's state; held while sealing and during a write, which never waits
//	shard.broadcastsMu  which broadcasts there are
//	broadcast.mu        one broadcast's group, members and joiners
//	the hub's own       hub.Feed and hub.Group take them, and the log's
//	ledger.mu           what all Writers keep for clients that do not read
//	tls.Conn's own      held while it seals; the session that reads takes it too, for answers of TLS
//	recordConn.mu       records that are on their way to the socket; held during a write, which never waits
//	shard.mu            who waits for a turn
//
// Wake takes shard.mu alone, because the hub calls it while it holds locks of its own. Serve, which
// it calls without them, may write, but only to a few. The function
// given to Pool.New is called without any lock; those given to Update, Adjust and End are called
// with Writer.mu held, and must not call the Writer.
//
// A broadcast takes one member's Writer.mu after the other without its own mutex. That is safe
// because only its shard's goroutine changes the frames of a pass: between Group.Next and
// Group.Release all others only read them. A member that leaves in between takes the frames it has
// not got with it.
package writer
