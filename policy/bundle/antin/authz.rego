# METADATA
# title: Who may do what
# description: >-
#   Roles to actions, the rule of the two persons (R52) and the agency scope.
#   Default deny. The code says why: role, same-person, agency, default.
package antin.authz

# grants names, for each action that exists, the roles that may do it.
# An action that does not stand here is denied to everybody: it is a mistake of
# the caller.
grants := {
	"ca.request.create": {"registrar", "ca-officer"},
	"ca.request.read": {"registrar", "ca-officer", "auditor"},
	# holders ask for what they hold themselves: renewal, revocation, recovery of the device
	"ca.request.create-own": everyone,
	# the managing agency speaks for itself alone; where there is none, an officer does
	"ca.request.confirm": {"registrar", "ca-officer"},
	"ca.request.confirm-top": {"ca-officer"},
	"ca.request.approve": {"ca-officer"},
	"ca.request.reject": {"ca-officer"},
	"ca.request.return": {"ca-officer"},
	# their maker alone, see below
	"ca.request.resubmit": set(),
	"ca.request.withdraw": set(),
	"ca.request.attach": {"registrar", "ca-officer"},
	"ca.request.hand-over": {"registrar", "ca-officer"},
	"ca.report.read": {"registrar", "ca-officer", "leader", "auditor"},
	"ca.report.make": {"ca-officer", "leader", "auditor"},
	"ca.certificate.issue": {"ca-officer"},
	"ca.certificate.read": everyone,
	"ca.certificate.revoke": {"ca-officer"},
	"ca.certificate.hold": {"ca-officer"},
	"ca.certificate.release": {"ca-officer"},
	"ca.service.issue": {"ca-officer"},
	# new generations, cross-certificates, whom the system believes: the administrator
	"ca.authority.manage": {"admin"},
	"ca.authority.read": {"ca-officer", "auditor"},
	"ca.status.read": {"ca-officer", "auditor"},
	"ca.audit.run": {"ca-officer", "auditor"},
	"ca.reorg.submit": {"registrar", "ca-officer"},
	"ca.reorg.approve": {"ca-officer"},
	"ca.reorg.reject": {"ca-officer"},
	"ca.reorg.run": {"ca-officer"},
	"ca.reorg.read": {"registrar", "ca-officer", "leader", "auditor"},
	"hsm.token.read": {"ca-officer", "registrar", "auditor"},
	"hsm.token.state": {"ca-officer"},
	"hsm.token.probe": {"ca-officer"},
	"hsm.key.generate": {"ca-officer", "registrar"},
	"hsm.key.certificate": {"ca-officer", "registrar"},
	"hsm.ceremony.run": {"ca-officer"},
	"hsm.ceremony.read": {"ca-officer", "auditor"},
	"hsm.backup.create": {"ca-officer"},
	"hsm.backup.restore": {"ca-officer"},
	"hsm.backup.test": {"ca-officer"},
	"hsm.device.read": {"ca-officer", "registrar", "auditor"},
	"hsm.device.register": {"ca-officer"},
	"hsm.device.propose": {"ca-officer", "registrar"},
	"hsm.device.confirm": {"ca-officer", "registrar"},
	# credentials by which machines ask for certificates themselves (ACME, EST)
	"ca.enrolment.create": {"ca-officer"},
	"ca.enrolment.approve": {"ca-officer"},
	"ca.enrolment.revoke": {"ca-officer"},
	"ca.enrolment.read": {"registrar", "ca-officer", "auditor"},
	# the platform signs the reports that it makes, with the operator's own seal
	"sign.document": {"official", "platform"},
	"sign.seal": {"clerk"},
	# the own key, from a program outside the console
	"sign.remote": {"official"},
	# that several levels of secrecy on a page list them and do not mark it
	"sign.levels.declare": {"leader"},
	# time-stamps and validation data for what others signed; no key of theirs
	"sign.extend": {"official", "clerk", "platform"},
	# documents on their way out: person, number, seal, issue (NĐ 30/2020)
	"office.draft": {"official", "clerk"},
	"office.read": {"official", "clerk", "leader", "registrar", "auditor"},
	"office.sign": {"official"},
	"office.number": {"clerk"},
	"office.seal": {"clerk"},
	"office.issue": {"clerk"},
	"office.return": {"clerk"},
	"office.extend": {"clerk"},
	# their drafter or their signer, see below
	"office.resubmit": set(),
	"office.withdraw": set(),
	"office.recall": set(),
	# who may sign for whom
	"office.delegate.add": {"leader", "registrar"},
	"office.delegate.revoke": {"leader", "registrar"},
	"office.delegate.read": {"official", "clerk", "leader", "registrar", "auditor"},
	"incident.read": {"analyst", "incident-lead", "leader", "auditor"},
	"incident.acknowledge": {"analyst", "incident-lead"},
	"incident.assign": {"analyst", "incident-lead"},
	"incident.comment": {"analyst", "incident-lead"},
	"incident.close": {"incident-lead"},
	"incident.report": {"incident-lead"},
	"drill.plan": {"drill-coordinator"},
	"drill.approve": {"drill-approver"},
	"drill.start": {"drill-coordinator"},
	"drill.pause": {"drill-coordinator"},
	"drill.resume": {"drill-coordinator"},
	"drill.stop": {"drill-coordinator"},
	# who is asked is a member of the asked team: the drill itself sees to that
	"drill.answer": everyone,
	"drill.score": {"drill-coordinator"},
	"drill.report": {"drill-coordinator"},
	"drill.read": {"drill-coordinator", "drill-approver", "incident-lead", "leader", "auditor"},
	"policy.catalogue.read": everyone,
	"policy.decide": {"data-steward", "data-requester", "auditor"},
	"policy.agreement.propose": {"data-steward"},
	"policy.agreement.accept": {"data-steward"},
	"policy.agreement.suspend": {"data-steward"},
	"policy.agreement.resume": {"data-steward"},
	"policy.agreement.terminate": {"data-steward"},
	"policy.record.read": {"data-steward", "auditor"},
	# a province's own agencies and people are brought in by the administrator alone
	"directory.import": set(),
	# credentials of programs: those of the own account, see below
	"account.token.create": set(),
	"account.token.revoke": set(),
	"account.token.read": set(),
	"ledger.read": everyone,
}

# everyone marks an action that any signed-in account may do.
everyone := "everyone"

# two_persons are the actions that somebody other than the maker of the
# resource must do. A resource whose maker is not told cannot be shown to have
# another maker, so it is refused as well.
two_persons := {
	"ca.request.approve",
	"ca.enrolment.approve",
	"ca.reorg.approve",
	"hsm.device.confirm",
	"drill.approve",
	"policy.agreement.accept",
	# who signed does not number or seal it as well
	"office.number",
	"office.seal",
}

# own_person are the actions that the assigned person does, and nobody for them.
own_person := {"office.sign", "office.recall"}

# for_others are the actions that nobody does in their own favour.
for_others := {"office.delegate.add"}

# own_agency are the actions on resources of the subject's own agency alone.
own_agency := {
	"sign.document", "sign.seal", "sign.remote", "sign.levels.declare", "ca.request.confirm",
	"office.draft", "office.read", "office.sign", "office.number", "office.seal", "office.issue", "office.return", "office.extend",
	"office.resubmit", "office.withdraw", "office.recall", "office.delegate.add", "office.delegate.revoke", "office.delegate.read",
}

decision := {"allow": code == "allow", "code": code}

default code := "default"

code := "role" if {
	known
	not granted
} else := "same-person" if {
	known
	input.action in two_persons
	not other_person
} else := "person" if {
	known
	input.action in own_person
	not assigned
} else := "same-person" if {
	known
	input.action in for_others
	not for_another
} else := "agency" if {
	known
	input.action in own_agency
	not in_scope
} else := "allow" if known

known if {
	grants[input.action]
	input.subject.account != ""
}

granted if grants[input.action] == everyone

granted if {
	some role in input.subject.roles
	role in grants[input.action]
}

granted if "admin" in input.subject.roles

# an analyst closes the case that was given to them, no other
granted if {
	input.action == "incident.close"
	"analyst" in input.subject.roles
	input.resource.assigned_to == input.subject.account
}

# who takes a device over confirms the hand-over that somebody else proposed
granted if {
	input.action == "hsm.device.confirm"
	input.resource.assigned_to == input.subject.account
}

# everybody makes and ends the credentials of their own account
granted if {
	input.action in {"account.token.create", "account.token.revoke", "account.token.read"}
	input.resource.assigned_to != ""
	input.resource.assigned_to == input.subject.account
}

# who made a request files it again, takes it back and adds documents to it
granted if {
	input.action in {"ca.request.resubmit", "ca.request.withdraw", "ca.request.attach"}
	input.resource.created_by != ""
	input.resource.created_by == input.subject.account
}

# who drafted a document brings it again and takes it back, who signs it
# returns it, takes it back and recalls it
granted if {
	input.action in {"office.resubmit", "office.withdraw"}
	input.resource.created_by != ""
	input.resource.created_by == input.subject.account
}

granted if {
	input.action in {"office.return", "office.withdraw", "office.recall"}
	"official" in input.subject.roles
	assigned
}

# machines that enrol by themselves act within their own agency
granted if {
	input.action in {"ca.service.issue", "ca.request.create", "ca.request.read", "ca.certificate.revoke"}
	"enrolment" in input.subject.roles
	in_scope
}

other_person if {
	input.resource.created_by != ""
	input.resource.created_by != input.subject.account
}

assigned if {
	input.resource.assigned_person != ""
	input.resource.assigned_person == input.subject.person
}

for_another if {
	input.resource.about_person != ""
	not input.resource.about_person == input.subject.person
}

in_scope if "admin" in input.subject.roles

# an auditor reads what every agency does
in_scope if {
	input.action in {"office.read", "office.delegate.read"}
	"auditor" in input.subject.roles
}

in_scope if {
	input.resource.agency != ""
	input.resource.agency == input.subject.agency
}
