package modbus

import (
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// Names as Suricata's records have them.
var (
	functionNames = map[uint8]string{
		readCoils: "RdCoils", readDiscretes: "RdDiscreteInputs", readHolding: "RdHoldRegs", readInput: "RdInputRegs",
		writeCoil: "WrSingleCoil", writeRegister: "WrSingleReg", readException: "RdExcStatus", diagnostic: "Diagnostic",
		9: "Program484", 10: "Poll484", eventCounter: "GetCommEventCtr", eventLog: "GetCommEventLog", 13: "ProgramController",
		14: "PollController", writeCoils: "WrMultCoils", writeRegisters: "WrMultRegs", reportServer: "ReportServerID",
		18: "Program884", 19: "ResetCommLink", readFile: "RdFileRec", writeFile: "WrFileRec", maskWrite: "MaskWrReg",
		readWriteRegisters: "RdWrMultRegs", readFIFO: "RdFIFOQueue", encapsulated: "MEI",
	}
	diagnosticNames = [...]string{
		"RetQueryData", "RestartCommOpt", "RetDiagReg", "ChangeInputDelimiter", "ForceListenOnlyMode", "", "", "", "", "",
		"ClearCtrDiagReg", "RetBusMsgCount", "RetBusCommErrCount", "RetBusExcErrCount", "RetServerMsgCount",
		"RetServerNoRespCount", "RetServerNAKCount", "RetServerBusyCount", "RetBusCharOverrunCount", "RetOverrunErrCount",
		"ClearOverrunCounterFlag", "GetClearPlusStats",
	}
	exceptionNames = [...]string{
		"", "IllegalFunction", "IllegalDataAddr", "IllegalDataValue", "ServerDeviceFail", "Ack", "ServerDeviceBusy", "NegAck",
		"MemParityErr", "", "GatewayPathUnavailable", "GatewayTargetFailToResp",
	}
	accessNames = [...]string{"READ", "WRITE", "DISCRETES", "COILS", "INPUT", "HOLDING", "SINGLE", "MULTIPLE"}
	errorNames  = [...]string{"DATA_VALUE", "DATA_LENGTH", "EXC_CODE", "FUNC_CODE", "PROTO_ID"}
)

const unknown = "Unknown"

func functionName(f uint8) string {
	name, ok := functionNames[f]
	if ok {
		return name
	}
	return unknown
}

func nameOf(names []string, code uint16, other string) string {
	if int(code) < len(names) && names[code] != "" {
		return names[code]
	}
	return other
}

func meiName(code uint16) string {
	switch code {
	case 13:
		return "CANOpenGenRefReqResp"
	case 14:
		return "RdDevId"
	}
	return unknown
}

// joined names the bits that are set.
func joined(bits uint8, names []string) string {
	if bits == 0 {
		return "NONE"
	}
	var set []string
	for i, name := range names {
		if bits&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, " | ")
}

// category is where the specification puts the function (V1.1b3 §5).
func (m *message) category() string {
	const assigned, unassigned, user, reserved, none = "PUBLIC_ASSIGNED", "PUBLIC_UNASSIGNED", "USER_DEFINED", "RESERVED", "NONE"
	f := m.plain()
	switch {
	case m.has&hasException != 0 && (f == diagnostic || f == encapsulated), f == 0 || m.function >= failed && functionNames[f] == "":
		return none
	case m.has&hasDiagnostic != 0 && nameOf(diagnosticNames[:], m.code, "") == "", m.has&hasMEI != 0 && meiName(m.code) == unknown:
		return reserved
	case functionNames[f] != "":
		return assigned
	case f >= 65 && f <= 72 || f >= 100 && f <= 110:
		return user
	case f >= 9 && f <= 14 || f == 41 || f == 42 || f == 90 || f == 91 || f >= 125:
		return reserved
	}
	return unassigned
}

// Encode implements encode.Body.
func (tx *transaction) Encode(e *encode.Encoder) {
	e.Open("modbus")
	e.Uint("id", tx.number+1)
	if tx.request != nil {
		e.Open("request")
		tx.request.encode(e)
		e.Close()
	}
	if tx.response != nil {
		e.Open("response")
		tx.response.encode(e)
		e.Close()
	}
	e.Close()
}

func (m *message) encode(e *encode.Encoder) {
	e.Uint("transaction_id", uint64(m.transaction))
	e.Uint("protocol_id", uint64(m.protocol))
	e.Uint("unit_id", uint64(m.unit))
	e.Uint("function_raw", uint64(m.function))
	e.String("function_code", functionName(m.plain()))
	e.String("access_type", joined(uint8(m.access), accessNames[:]))
	e.String("category", m.category())
	e.String("error_flags", joined(m.errors, errorNames[:]))
	switch {
	case m.has&hasException != 0:
		m.coded(e, "exception", nameOf(exceptionNames[:], m.code, unknown), false)
	case m.has&hasDiagnostic != 0:
		m.coded(e, "diagnostic", nameOf(diagnosticNames[:], m.code, "Reserved"), true)
	case m.has&hasMEI != 0:
		m.coded(e, "mei", meiName(m.code), true)
	case m.has == 0 && len(m.data) > 0:
		e.Text("data", m.data)
	}
	if m.has&(hasRead|hasReadData) != 0 {
		e.Open("read")
		if m.has&hasRead != 0 {
			e.Uint("address", uint64(m.readAddress))
			e.Uint("quantity", uint64(m.readQuantity))
		} else {
			e.Text("data", m.data)
		}
		e.Close()
	}
	if m.has&(hasWrite|hasWriteMany|hasMask) != 0 {
		e.Open("write")
		e.Uint("address", uint64(m.writeAddress))
		m.written(e)
		e.Close()
	}
}

func (m *message) coded(e *encode.Encoder, name, code string, data bool) {
	e.Open(name)
	e.Uint("raw", uint64(m.code))
	e.String("code", code)
	if data {
		e.Text("data", m.data)
	}
	e.Close()
}

func (m *message) written(e *encode.Encoder) {
	switch {
	case m.has&hasWriteMany != 0:
		e.Uint("quantity", uint64(m.writeQuantity))
		e.Text("data", m.data)
	case m.has&hasMask != 0:
		e.Uint("and_mask", uint64(m.andMask))
		e.Uint("or_mask", uint64(m.orMask))
	default:
		e.Uint("data", uint64(m.writeQuantity))
	}
}

// Fields gives the rules the request. It implements proto.Fields.
func (tx *transaction) Fields(dir int, b *rules.Buffers) {
	if dir == proto.ToServer && tx.request != nil {
		b.Add(rules.BufferModbus, tx.request.raw)
	}
}
