package rules

// Action is what a rule asks for. The sensor is passive, so drop and reject
// are carried for the record and alert like the others.
type Action string

// The actions of the language.
const (
	ActionAlert  Action = "alert"
	ActionPass   Action = "pass"
	ActionDrop   Action = "drop"
	ActionReject Action = "reject"
)

// Rule is one loaded rule.
type Rule struct {
	Action Action
	SID    uint32
	GID    uint32
	Rev    uint32
	Msg    string
	// Class is the classtype's short name; Category its description, known
	// once the engine has been built with classifications.
	Class    string
	Category string
	// Priority is 1 (most severe) to 255; the rule's own, or its class's, or 3.
	Priority   int
	References []Reference
	// Metadata keeps keys in the order of the rule; a key may come twice.
	Metadata []Metadata
	// Target is src_ip or dest_ip: which side the attack aims at.
	Target string
	// Tags ask for the packets after the alert.
	Tags []*Tag
	// File and Line say where the rule was read.
	File string
	Line int

	proto    protoSpec
	src, dst *addrSet
	srcPort  *portSet
	dstPort  *portSet
	bidir    bool
	// answer is the half of a rule over both directions that judges the
	// responses; isHalf says that both must hold on one transaction.
	answer   *Rule
	isHalf   bool
	flow     flowSpec
	lists    []bufferList
	packet   []packetTest
	bits     []flowbitOp
	xbits    []xbitOp
	events   []string
	ints     []flowintOp
	bypass   bool
	store    *StoreFiles
	noAlert  bool
	limit    *thresholdSpec
	filter   *thresholdSpec
	suppress []*suppression
	rate     *rateFilter
	ipOnly   bool
	// number stays with the rule's gid and sid over reloads.
	number int32

	ownPriority bool
}

// Reference is one "reference:type,value".
type Reference struct {
	Type, Value string
}

// Metadata is one key and value of "metadata".
type Metadata struct {
	Key, Value string
}

// Match is a rule that alerted on an Input.
type Match struct {
	Rule *Rule
}

// Refusal says why a rule was not loaded.
type Refusal struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	SID    uint32 `json:"sid"`
	Reason string `json:"reason"`
}
