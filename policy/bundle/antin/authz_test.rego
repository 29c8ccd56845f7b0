package antin.authz_test

import data.antin.authz

decide(roles, action, resource) := decision if {
	decision := authz.decision with input as {
		"subject": {"account": "a", "person": "p", "agency": "stc", "roles": roles},
		"action": action,
		"resource": resource,
	}
}

may(roles, action, resource) if decide(roles, action, resource) == {"allow": true, "code": "allow"}

refused(roles, action, resource, code) if decide(roles, action, resource) == {"allow": false, "code": code}

test_nobody_signed_in_may_nothing if {
	authz.decision == {"allow": false, "code": "default"} with input as {
		"subject": {"account": "", "roles": ["admin"]},
		"action": "ledger.read", "resource": {},
	}
}

test_an_empty_input_is_refused if {
	authz.decision == {"allow": false, "code": "default"} with input as {}
}

test_an_unknown_action_is_refused_even_to_admin if refused(["admin"], "ca.root.burn", {}, "default")

test_each_action_is_given_to_its_roles_and_to_admin if {
	every action, roles in authz.grants {
		roles_may(action, roles)
		may(["admin"], action, {"created_by": "b", "assigned_person": "p", "about_person": "q"})
	}
}

roles_may(action, roles) if {
	roles == authz.everyone
	may([], action, {})
}

roles_may(action, roles) if {
	is_set(roles)
	every role in roles {
		may([role], action, {"created_by": "b", "agency": "stc", "assigned_person": "p", "about_person": "q"})
	}
}

test_another_role_may_not if {
	every action, roles in authz.grants {
		other_may_not(action, roles)
	}
}

other_may_not(_, roles) if roles == authz.everyone

other_may_not(action, roles) if {
	is_set(roles)
	refused(["somebody"], action, {"created_by": "b", "agency": "stc"}, "role")
	refused([], action, {"created_by": "b", "agency": "stc"}, "role")
}

test_several_roles_give_the_union if {
	may(["analyst", "ca-officer"], "incident.read", {})
	may(["analyst", "ca-officer"], "ca.certificate.issue", {})
}

test_two_persons_rule_binds_everybody if {
	every action in authz.two_persons {
		refused(["ca-officer", "drill-approver", "data-steward", "clerk"], action, {"created_by": "a"}, "same-person")
		refused(["admin"], action, {"created_by": "a"}, "same-person")
		refused(["admin"], action, {"created_by": ""}, "same-person")
		refused(["admin"], action, {}, "same-person")
	}
}

test_managing_agency_confirms_for_itself_alone if {
	may(["registrar"], "ca.request.confirm", {"agency": "stc"})
	refused(["registrar"], "ca.request.confirm", {"agency": "ubnd"}, "agency")
	refused(["registrar"], "ca.request.confirm", {}, "agency")
	refused(["official"], "ca.request.confirm", {"agency": "stc"}, "role")
	refused(["registrar"], "ca.request.confirm-top", {}, "role")
	may(["ca-officer"], "ca.request.confirm-top", {})
}

test_maker_of_a_request_takes_it_back if {
	may([], "ca.request.withdraw", {"created_by": "a"})
	refused(["registrar", "ca-officer"], "ca.request.withdraw", {"created_by": "b"}, "role")
	refused([], "ca.request.resubmit", {"created_by": ""}, "role")
	may([], "ca.request.attach", {"created_by": "a"})
}

test_credentials_are_made_for_the_own_account_alone if {
	may([], "account.token.create", {"assigned_to": "a"})
	refused(["ca-officer"], "account.token.create", {"assigned_to": "b"}, "role")
	refused([], "account.token.revoke", {}, "role")
	may(["admin"], "account.token.create", {"assigned_to": "b", "created_by": "b"})
}

test_official_signs_for_the_own_agency_alone if {
	may(["official"], "sign.document", {"agency": "stc"})
	refused(["official"], "sign.document", {"agency": "ubnd"}, "agency")
	refused(["official"], "sign.document", {"agency": ""}, "agency")
	refused(["official"], "sign.document", {}, "agency")
	may(["admin"], "sign.document", {"agency": "ubnd"})
}

test_official_signs_remotely_for_the_own_agency_alone if {
	may(["official"], "sign.remote", {"agency": "stc"})
	refused(["official"], "sign.remote", {"agency": "ubnd"}, "agency")
	refused(["official"], "sign.remote", {}, "agency")
	refused(["clerk"], "sign.remote", {"agency": "stc"}, "role")
	refused(["platform"], "sign.remote", {"agency": "stc"}, "role")
}

test_a_leader_declares_a_list_of_levels_in_the_own_agency if {
	may(["leader"], "sign.levels.declare", {"agency": "stc"})
	may(["admin"], "sign.levels.declare", {"agency": "ubnd"})
	refused(["leader"], "sign.levels.declare", {"agency": "ubnd"}, "agency")
	refused(["leader"], "sign.levels.declare", {}, "agency")
	refused(["official"], "sign.levels.declare", {"agency": "stc"}, "role")
	refused(["clerk"], "sign.levels.declare", {"agency": "stc"}, "role")
}

test_who_signs_or_seals_extends if {
	may(["official"], "sign.extend", {"agency": "stc"})
	may(["clerk"], "sign.extend", {"agency": "stc"})
	may(["admin"], "sign.extend", {"agency": "ubnd"})
	refused(["analyst"], "sign.extend", {"agency": "stc"}, "role")
	refused(["auditor"], "sign.extend", {"agency": "stc"}, "role")
}

test_clerk_seals_and_does_not_sign if {
	may(["clerk"], "sign.seal", {"agency": "stc"})
	refused(["clerk"], "sign.seal", {"agency": "ubnd"}, "agency")
	refused(["clerk"], "sign.document", {"agency": "stc"}, "role")
	refused(["official"], "sign.seal", {"agency": "stc"}, "role")
}

test_analyst_closes_the_case_assigned_to_them_alone if {
	may(["analyst"], "incident.close", {"assigned_to": "a"})
	refused(["analyst"], "incident.close", {"assigned_to": "b"}, "role")
	refused(["analyst"], "incident.close", {}, "role")
	refused(["leader"], "incident.close", {"assigned_to": "a"}, "role")
	may(["incident-lead"], "incident.close", {"assigned_to": "b"})
}

test_a_device_change_is_confirmed_by_another_person if refused(["ca-officer"], "hsm.device.confirm", {"created_by": "a"}, "same-person")

test_the_receiver_of_a_device_confirms_the_hand_over if {
	may(["official"], "hsm.device.confirm", {"created_by": "b", "assigned_to": "a"})
	refused(["official"], "hsm.device.confirm", {"created_by": "b", "assigned_to": "c"}, "role")
	refused(["official"], "hsm.device.confirm", {"created_by": "a", "assigned_to": "a"}, "same-person")
}

test_a_ceremony_is_run_by_officers_alone if {
	may(["ca-officer"], "hsm.ceremony.run", {})
	refused(["official", "auditor"], "hsm.ceremony.run", {}, "role")
}

test_an_officer_drains_a_token_and_a_registrar_does_not if {
	may(["ca-officer"], "hsm.token.state", {})
	refused(["registrar"], "hsm.token.state", {}, "role")
	refused(["auditor"], "hsm.token.probe", {}, "role")
	may(["auditor"], "hsm.token.read", {})
}

test_enrolment_acts_for_machines_of_the_own_agency_alone if {
	every action in {"ca.service.issue", "ca.request.create", "ca.request.read", "ca.certificate.revoke"} {
		may(["enrolment"], action, {"agency": "stc"})
		refused(["enrolment"], action, {"agency": "ubnd"}, "role")
		refused(["enrolment"], action, {"agency": ""}, "role")
		refused(["enrolment"], action, {}, "role")
	}
	every action in {"ca.request.approve", "ca.certificate.issue", "ca.enrolment.create", "ca.enrolment.approve"} {
		refused(["enrolment"], action, {"agency": "stc", "created_by": "b"}, "role")
	}
}

test_the_assigned_person_signs_a_document_and_nobody_for_them if {
	may(["official"], "office.sign", {"agency": "stc", "assigned_person": "p"})
	refused(["official"], "office.sign", {"agency": "stc", "assigned_person": "q"}, "person")
	refused(["official"], "office.sign", {"agency": "stc", "assigned_person": ""}, "person")
	refused(["official"], "office.sign", {"agency": "stc"}, "person")
	refused(["admin"], "office.sign", {"agency": "stc", "assigned_person": "q"}, "person")
	refused(["official"], "office.sign", {"agency": "ubnd", "assigned_person": "p"}, "agency")
	refused(["clerk"], "office.sign", {"agency": "stc", "assigned_person": "p"}, "role")
}

test_the_clerk_numbers_seals_and_issues_for_the_own_agency_alone if {
	every action in {"office.number", "office.seal", "office.issue", "office.return", "office.extend"} {
		may(["clerk"], action, {"agency": "stc", "created_by": "b"})
		refused(["clerk"], action, {"agency": "ubnd", "created_by": "b"}, "agency")
		refused(["official"], action, {"agency": "stc", "created_by": "b"}, "role")
	}
}

test_who_signed_does_not_number_or_seal if {
	refused(["clerk", "official"], "office.number", {"agency": "stc", "created_by": "a"}, "same-person")
	refused(["clerk", "official"], "office.seal", {"agency": "stc", "created_by": "a"}, "same-person")
	refused(["admin"], "office.seal", {"agency": "stc"}, "same-person")
}

test_signer_and_drafter_take_a_document_back if {
	may([], "office.withdraw", {"agency": "stc", "created_by": "a"})
	may(["official"], "office.withdraw", {"agency": "stc", "created_by": "b", "assigned_person": "p"})
	may(["official"], "office.return", {"agency": "stc", "created_by": "b", "assigned_person": "p"})
	may(["official"], "office.recall", {"agency": "stc", "created_by": "b", "assigned_person": "p"})
	refused(["official", "clerk"], "office.recall", {"agency": "stc", "created_by": "a", "assigned_person": "q"}, "role")
	refused(["admin"], "office.recall", {"agency": "stc", "assigned_person": "q"}, "person")
	refused(["official", "clerk"], "office.withdraw", {"agency": "stc", "created_by": "b", "assigned_person": "q"}, "role")
	may([], "office.resubmit", {"agency": "stc", "created_by": "a"})
	refused(["official", "clerk"], "office.resubmit", {"agency": "stc", "created_by": "b"}, "role")
}

test_nobody_gives_themselves_the_right_to_sign if {
	may(["leader"], "office.delegate.add", {"agency": "stc", "about_person": "q"})
	may(["registrar"], "office.delegate.add", {"agency": "stc", "about_person": "q"})
	refused(["leader"], "office.delegate.add", {"agency": "stc", "about_person": "p"}, "same-person")
	refused(["leader"], "office.delegate.add", {"agency": "stc"}, "same-person")
	refused(["admin"], "office.delegate.add", {"agency": "stc", "about_person": "p"}, "same-person")
	refused(["leader"], "office.delegate.add", {"agency": "ubnd", "about_person": "q"}, "agency")
	refused(["official", "clerk"], "office.delegate.add", {"agency": "stc", "about_person": "q"}, "role")
}

test_documents_are_read_in_their_agency_and_by_the_auditor if {
	may(["official"], "office.read", {"agency": "stc"})
	refused(["official", "clerk", "leader"], "office.read", {"agency": "ubnd"}, "agency")
	may(["auditor"], "office.read", {"agency": "ubnd"})
	refused(["analyst"], "office.read", {"agency": "stc"}, "role")
}
