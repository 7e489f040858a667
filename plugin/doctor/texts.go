package doctor

// What findings mean, and a few long texts of what to set. Texts with verbs are filled in where the
// finding is made.

// The connection.
const (
	meansRefused = "nothing listens there; without a listener line Mosquitto 2 listens on its own loopback only, " +
		"which in a container nobody else reaches"
	meansTimeout  = "no answer in time: a firewall, a wrong address, or a port that speaks something else"
	meansOldMQTT  = "the bridge needs MQTT 5 for sessions that outlive the connection; Mosquitto has it from 1.6 on"
	meansNoAnswer = "a TLS port does this to a client without TLS, and Mosquitto does when max_connections is reached"

	meansNoAnswerWebSocket = "a Mosquitto listener without a line protocol websockets does this, and so does a TLS port"
	meansNotWebSocket      = "what listens there is not a broker: the port or the path is another, or a proxy stands in front"

	meansNoUser      = "the bridge has no user name, and the broker wants one (allow_anonymous false, the default with a listener)"
	meansBadUser     = "the broker does not know the user, or the password is wrong (Mosquitto does not say which)"
	meansVersion     = "the broker does not speak MQTT 5, or not on this port"
	meansClientID    = "the broker does not accept the client identifier (clientid_prefixes?)"
	meansAuthority   = "the broker's certificate is not signed by an authority that is trusted here"
	meansNoTLS       = "the broker does not speak TLS on this port"
	meansCertificate = "with require_certificate true the broker wants a certificate from the bridge"
	setLogin         = "%s, or broker.password_file; for a new user: mosquitto_passwd FILE USER, then SIGHUP to the broker"
	setBrokerLog     = "read the broker's log"
)

// What the broker grants.
const (
	meansExpiry      = "the broker drops the bridge's session, and what waits in it, when the bridge is away for longer"
	meansQoS0        = "events are lost whenever the bridge or its connection is away"
	meansNoRetain    = "it refuses the bridge's sending connection, whose will is retained"
	meansNoWildcards = "it refuses the rules' topic filters"
	meansLarge       = "a larger event is dropped on its way to the bridge, and its publisher does not learn of it"
	meansSmall       = "a client that publishes a larger event is disconnected; a dead letter may be cut"

	meansNotSubscribed   = "the bridge gets none of these events"
	meansEndsAtSubscribe = "the broker ends the connection instead of refusing the subscription: " +
		"the bridge connects again and again and gets no events at all"
	meansNoState        = "the bridge reads them the same way: snapshots lack state, and the bridge is not ready"
	meansNotReady       = "the bridge gets none of these events, and is not ready"
	meansCannotPublish  = "the bridge can publish neither its state nor dead letters"
	meansCannotReadBase = "an ACL lets the bridge write there but not read: enough for the bridge, " +
		"but doctor cannot see its state, nor whether another bridge has the same base_topic"
	meansReadsOnly  = "as it should be, since the bridge only reads there; so this shows nothing about reading"
	setPublishLater = "nothing; publish as your backend does during doctor --listen 60s"
	meansHidden     = "an ACL hides the topic from the bridge; with an acl_file every SUBSCRIBE is granted"
	meansQueueFull  = "the broker drops the rest, and the publishers do not learn of it"
)

// What was seen while doctor listened.
const (
	meansNoStatus = "no bridge has run here yet, or the status cannot be read"
	meansStranger = "another program publishes there"
	meansOffline  = "events wait at the broker meanwhile, within its limits, if the bridge has been connected within session_expiry"
	meansOther    = "it has other variables or an older file than this one; or it is another bridge with the same base_topic, " +
		"and the two overwrite each other's status"
	meansOldConfig  = "it keeps the configuration it had"
	meansUnstable   = "its connection does not last: another client has the client id %q, or the broker ends it"
	meansPartHidden = "the bridge never gets the other events of the rules, and nothing reports it"
	meansAllHidden  = "the bridge gets no event, and nothing reports it: with an acl_file every SUBSCRIBE is granted"
	meansSilent     = "either there was no event, or an ACL hides the topic, which looks the same: " +
		"with an acl_file every SUBSCRIBE is granted"
	setSilent = "nothing yet; to tell the two apart: publish as your backend does during doctor --listen 60s, " +
		"or run doctor --publish TOPIC, or doctor --mosquitto-conf FILE, which reads the acl_file too"
	meansSkipped = "right for events; if they are states, clients do not get the present ones after a start"
	meansNoSys   = "whether the broker has dropped messages is unknown: an ACL hides $SYS, sys_interval is 0, or it is another broker"
	meansDropped = "a client was away or slow and its queue was full; $SYS does not say which client, it may be the bridge"
)

// The broker's files.
const (
	meansACLUnread  = "what it hides from the bridge is unknown"
	meansACLMistake = "the broker does not start with this; at SIGHUP, 2.1 ends, " +
		"and 2.0 lets everybody read and write everything until the line is corrected"
	seenUnseen = "some settings cannot be seen over MQTT: %spersistence (false by default), " +
		"autosave_interval (1800), persistent_client_expiration"
	meansUnseen   = "at their defaults they lose messages while the bridge is away or when the broker restarts, and nothing reports it"
	meansZero20   = "0 is meant as no limit; before 2.0.22 clients got nothing, or the default still applied"
	meansZero     = "there is no limit: the queue of a bridge that stays away fills the broker's memory"
	meansFew      = "%d events wait while the bridge is away; the broker drops the rest, and the publishers do not learn of it"
	meansSome     = "%d events wait while the bridge is away; the broker drops the rest"
	meansBytes    = "some %d events of 500 bytes wait while the bridge is away, whatever max_queued_messages says; the broker drops the rest"
	meansQueued0  = "events at QoS 0 wait too, and take room from those at QoS 1 in the same queue"
	meansInflight = "each event waits for the acknowledgement of the one before: a busy system is faster than that, and the queue fills"

	meansNotStored  = "a restart of the broker ends the bridge's session, with everything that waits in it, and forgets retained messages"
	meansWorkingDir = "the store is in the broker's working directory, which may not survive the broker, or may not be writable"
	meansSavedAtEnd = "the store is written only when the broker ends: a crash loses everything that waits"
	meansSavedLate  = "a crash or a power cut loses what came in the last %s and waits for the bridge"
	meansPluginIdle = "the broker starts, warns that the plugin is not activated, and stores nothing: " +
		"a restart ends the bridge's session, with everything that waits in it"
	meansUnparsed   = "doctor does not know this unit"
	meansExpiration = "the broker ends the bridge's session after that, though the bridge asks for %s (broker.session_expiry): " +
		"what waits is lost, and the CONNACK does not say so"
	meansOneClientID = "the bridge receives on one connection and sends on another, both with its user name: " +
		"the broker ends each for the other, again and again"
	meansSizeLimit  = "an event with a larger payload is dropped, and publishers with MQTT 3.1.1 or at QoS 0 are told that all is well"
	meansMountPoint = "clients of other listeners see this listener's topics with this before them, and its own clients see nothing else"
	meansAnybody    = "anybody who reaches the port can publish events as your services do, and read what no acl_file hides"
	meansMemory     = "at the limit the broker drops messages and disconnects clients"
	setMemory       = "nothing, if the limit has room for what may wait: a million events of 500 bytes take 0.9 GB"
	meansNagle      = "Nagle's algorithm delays messages, mostly by about 4 ms and now and then by 40 ms; nothing is lost"
)

// The NATS servers of a journal that replicas share.
const (
	meansNATSNone     = "the bridge waits for the journal, and is not ready"
	meansNATSOther    = "the bridge goes on to another server; where this one is one of three, the next that is lost stops the journal"
	meansNATSTooOld   = "the bridge needs what came with 2.9"
	meansNATSOld      = "before 2.12.3 a cluster can lose its agreement on who has the stream, and before 2.10.23 it does not sync what servers agree on"
	meansPayload      = "an event that becomes more is rejected to a dead letter"
	meansNoStream     = "the first bridge that starts makes it"
	meansNotReadyNATS = "the bridge does not start with it, and does not change it"
	meansOneServer    = "what it loses is lost, and while it is away no event is delivered"
	meansNoQuorum     = "more than half of its servers are away: no event is delivered until they are back, and events wait at the broker"
	meansBehind       = "the journal goes on; another server less may stop it"
	meansNoAccount    = "the bridge does not need to see them; where the account has a limit, it shows when the stream is made"
	meansNoRoom       = "when there is no room, no event is journalled, and events wait at the broker"
	meansNobodyLeads  = "nobody reads the broker; another one takes over within seconds, or each one says in its log why it does not"
	meansTwoSessions  = "two sessions at the broker: every event comes twice"
	meansTwoTopics    = "states and dead letters go to two places"
	meansOtherConfig  = "only the rules of the one that leads count, so that a change of who leads changes what clients get"
	meansTwoIDs       = "the one that came later does not start"
	meansNoSync       = "without sync_interval: always a power cut of all servers loses what they have acknowledged in the last minutes"
	setNATSLog        = "read the server's log"
	setNATSVersion    = "2.12.3 or later at all servers, one after the other"
	setPayload        = "max_payload: 8MB in the servers' configuration"
	setRights         = "the rights of the user as examples/replicas/nats.conf has them, and JetStream for its account"
	setStream         = "remove the stream, which loses the journal; or another name: %s"
	setSync           = "jetstream { sync_interval: always } in the servers' configuration"
)

// The bridge's own configuration.
const (
	meansDead         = "a connection that dies silently is noticed after %s at the latest"
	meansInMemory     = "a restart of the bridge loses what it has acknowledged to the broker: clients that were away or behind never get it"
	meansAway         = "clients may be away for %s and miss nothing, the bridge itself only for %s: then the broker drops its session"
	meansPlain        = "anybody on the way can read it, and the events; between containers on one machine there is nobody"
	meansInsecure     = "anybody on the way can read and change everything"
	meansOrigins      = "a page of somebody else's can use what the user's browser has"
	meansNoKeys       = "no token of this issuer can be checked, and the bridge is not ready"
	meansInsecureKeys = "anybody on the way can publish a key of theirs, and sign tokens for any user"
	meansNoAuth       = "anybody who reaches the port reads every event that has no audience"
	meansOpen         = "tokens and events travel as plain text, unless a proxy with TLS stands in front"
	meansOpenOps      = "anybody who reaches it can read health and metrics"
)
