package antin.sharing_test

import data.antin.sharing

registry := {
	"agencies": {
		"stc": {"from": 0},
		"thue": {"from": 0},
		"xa": {"from": 0},
		"stttt": {"from": 0, "to": 50},
	},
	"datasets": {"enterprises": {
		"owner": "stc",
		"parameters": ["limit"],
		"fields": {
			"code": {"sharing": "open", "importance": "other", "personal": "none"},
			"name": {"sharing": "open", "importance": "other", "personal": "none"},
			"phone": {"sharing": "shared", "importance": "other", "personal": "personal"},
			"owner_id": {"sharing": "shared", "importance": "important", "personal": "sensitive"},
			"note": {"sharing": "private", "importance": "other", "personal": "none"},
		},
	}},
	"agreements": {"enterprises": {"thue": {"tt-1": agreement}}},
}

agreement := {
	"state": "accepted",
	"valid_from": 100,
	"valid_to": 200,
	"purposes": ["tax"],
	"operations": ["query"],
	"fields": {"code": "plain", "name": "plain", "phone": "masked", "owner_id": "plain", "note": "plain"},
}

request := {
	"agency": "thue", "dataset": "enterprises", "fields": [], "filters": [],
	"purpose": "tax", "operation": "query", "at": 150,
}

decide(change) := decision if {
	decision := sharing.decision with input as object.union(request, change)
		with data.registry as registry
}

decide_under(change) := decision if {
	decision := sharing.decision with input as request
		with data.registry as object.union(
			registry,
			{"agreements": {"enterprises": {"thue": {"tt-1": object.union(agreement, change)}}}},
		)
}

codes(decision) := [reason.code | some reason in decision.reasons]

refused(decision, want) if {
	decision.allow == false
	decision.fields == {}
	decision.agreement_id == ""
	codes(decision) == want
	count(decision.legal_basis) > 0
	every reason in decision.reasons {
		reason.vi != ""
		reason.en != ""
	}
}

test_an_agreement_gives_its_fields_for_its_purpose if {
	decision := decide({})
	decision.allow
	decision.agreement_id == "tt-1"
	decision.fields == {"code": "plain", "name": "plain", "phone": "masked", "owner_id": "masked", "note": "drop"}
	codes(decision) == ["agreement", "field-masked"]
	"NĐ 278/2025/NĐ-CP" in decision.legal_basis
}

test_sensitive_personal_data_is_masked_though_the_agreement_says_plain if {
	decide({"fields": ["owner_id"]}).fields.owner_id == "masked"
}

test_fields_asked_limit_what_is_given if {
	decision := decide({"fields": ["code"]})
	decision.fields == {"code": "plain", "name": "drop", "phone": "drop", "owner_id": "drop", "note": "drop"}
	codes(decision) == ["agreement"]
}

test_fields_outside_are_dropped_and_named if {
	decision := decide({"fields": ["code", "note", "weight"]})
	decision.allow
	decision.fields.note == "drop"
	not decision.fields.weight
	codes(decision) == ["agreement", "field-outside", "field-private"]
	some reason in decision.reasons
	reason.code == "field-outside"
	reason.fields == ["weight"]
}

test_nothing_left_is_refused if refused(decide({"fields": ["note"]}), ["fields-none"])

test_the_owner_reads_its_own if {
	decision := decide({"agency": "stc"})
	decision.allow
	decision.agreement_id == ""
	decision.fields.note == "plain"
	decision.fields.owner_id == "plain"
	codes(decision) == ["owner"]
}

test_no_agreement_is_refused if {
	decision := decide({"agency": "xa"})
	refused(decision, ["no-agreement"])
	decision.legal_basis == ["NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"]
}

test_unknown_things_are_refused if {
	refused(decide({"agency": "nobody"}), ["agency-unknown", "no-agreement"])
	refused(decide({"agency": "stttt"}), ["agency-unknown", "no-agreement"])
	refused(decide({"dataset": "nothing"}), ["dataset-unknown"])
	refused(decide({"purpose": ""}), ["purpose", "purpose-missing"])
}

test_other_purpose_and_operation_are_refused if {
	refused(decide({"purpose": "marketing"}), ["purpose"])
	refused(decide({"operation": "sync"}), ["operation"])
}

test_the_term_is_held_to_the_second if {
	refused(decide({"at": 99}), ["agreement-not-begun"])
	decide({"at": 100}).allow
	decide({"at": 199}).allow
	refused(decide({"at": 200}), ["agreement-expired"])
}

test_state_of_the_agreement_is_held if {
	refused(decide_under({"state": "proposed"}), ["agreement-proposed"])
	refused(decide_under({"state": "terminated"}), ["agreement-terminated"])
	refused(decide_under({"state": "superseded"}), ["agreement-terminated"])
	refused(decide_under({"state": "other"}), ["agreement-unsound"])
	refused(decide_under({"suspended_from": 150}), ["agreement-suspended"])
	decide_under({"suspended_from": 151}).allow
}

test_a_filter_by_an_unseen_field_is_refused if {
	decide({"filters": ["limit", "name"]}).allow
	refused(decide({"filters": ["owner_id"]}), ["filter-field"])
	refused(decide({"filters": ["note"]}), ["filter-field"])
	refused(decide({"filters": ["weight"]}), ["filter-field"])
	decide({"fields": ["code"], "filters": ["name"]}).allow
}

test_the_owner_filters_by_any_field if decide({"agency": "stc", "filters": ["owner_id"]}).allow

test_the_first_of_two_sound_agreements_decides if {
	decision := sharing.decision with input as request
		with data.registry as object.union(registry, {"agreements": {"enterprises": {"thue": {
			"tt-0": object.union(agreement, {"state": "terminated"}),
			"tt-2": agreement,
		}}}})
	decision.allow
	decision.agreement_id == "tt-1"
}

test_every_message_stands_in_both_languages_with_a_basis if {
	every text in sharing.messages {
		text.vi != ""
		text.en != ""
		count(text.basis) > 0
	}
}

test_an_empty_registry_refuses if {
	decision := sharing.decision with input as request with data.registry as {}
	refused(decision, ["agency-unknown", "dataset-unknown"])
}
