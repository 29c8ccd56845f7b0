# METADATA
# title: Who may have which fields of which shared database, for what
# description: >-
#   The decision on one data request (R36, R37). Input: agency, dataset, fields
#   asked (none: all that are agreed), filters (names of the query's
#   parameters), purpose, operation, at (seconds). Data: registry (agencies,
#   datasets, agreements), written by the service from its tables.
#   A field that is asked but not agreed is dropped and named; a request of
#   which nothing remains is refused. A refusal always carries its reasons and
#   their legal basis (NĐ 194/2025/NĐ-CP Đ16).
package antin.sharing

import data.registry

decision := {
	"allow": allow,
	"fields": result_fields,
	"reasons": reasons,
	"legal_basis": legal_basis,
	"agreement_id": result_agreement,
}

default allow := false

allow if count(refusals) == 0

default result_fields := {}

result_fields := fields if allow

default result_agreement := ""

result_agreement := agreement_id if allow

# the request

dataset := registry.datasets[input.dataset]

known_agency if {
	agency := registry.agencies[input.agency]
	agency.from <= input.at
	not ended(agency)
}

ended(agency) if agency.to <= input.at

owner if dataset.owner == input.agency

# the agreements between the owner and the asking agency

default candidates := {}

candidates := registry.agreements[input.dataset][input.agency]

faults[id] contains "agreement-proposed" if {
	some id, agreement in candidates
	agreement.state == "proposed"
}

faults[id] contains "agreement-terminated" if {
	some id, agreement in candidates
	agreement.state in {"terminated", "superseded"}
}

faults[id] contains "agreement-suspended" if {
	some id, agreement in candidates
	agreement.suspended_from <= input.at
}

faults[id] contains "agreement-not-begun" if {
	some id, agreement in candidates
	input.at < agreement.valid_from
}

faults[id] contains "agreement-expired" if {
	some id, agreement in candidates
	agreement.valid_to <= input.at
}

faults[id] contains "purpose" if {
	some id, agreement in candidates
	not input.purpose in agreement.purposes
}

faults[id] contains "operation" if {
	some id, agreement in candidates
	not input.operation in agreement.operations
}

sound contains id if {
	some id, agreement in candidates
	agreement.state == "accepted"
	not faults[id]
}

# Where several agreements hold, the first by id decides: a request stands
# under one agreement, whose limits are those that its parties signed together.
agreement_id := min(sound)

# the fields

# granted are the fields that the asker may have, asked for or not.
default granted := {}

granted := {name: "plain" | some name, _ in dataset.fields} if owner

granted := {name: treatment |
	some name, agreed in candidates[agreement_id].fields
	class := dataset.fields[name]
	class.sharing != "private"
	treatment := limits[class.personal][agreed]
} if {
	not owner
	agreement_id
}

# limits holds sensitive personal data to masked, whatever was agreed.
limits := {
	"none": {"plain": "plain", "masked": "masked"},
	"personal": {"plain": "plain", "masked": "masked"},
	"sensitive": {"plain": "masked", "masked": "masked"},
}

given := granted if {
	count(input.fields) == 0
} else := object.filter(granted, input.fields)

default fields := {}

fields := object.union({name: "drop" | some name, _ in dataset.fields}, given)

# why not

refusals contains "agency-unknown" if not known_agency

refusals contains "dataset-unknown" if not dataset

refusals contains "purpose-missing" if input.purpose == ""

refusals contains "no-agreement" if {
	dataset
	not owner
	count(candidates) == 0
}

refusals contains code if {
	dataset
	not owner
	count(sound) == 0
	some id
	some code in faults[id]
}

refusals contains "agreement-unsound" if {
	dataset
	not owner
	count(candidates) > 0
	count(sound) == 0
	count(faults) == 0
}

refusals contains "fields-none" if {
	entitled
	count(given) == 0
}

# A filter on a field that the asker may not see would tell its content by
# what it finds.
refusals contains "filter-field" if {
	entitled
	count(filters_outside) > 0
}

entitled if owner

entitled if agreement_id

filters_outside contains name if {
	some name in input.filters
	not name in dataset.parameters
	not granted[name] == "plain"
}

# why yes, and what was left out

notices.owner := [] if {
	allow
	owner
}

notices.agreement := [] if {
	allow
	not owner
}

notices["field-private"] := names if {
	allow
	names := sort([name |
		some name in input.fields
		not owner
		dataset.fields[name].sharing == "private"
	])
	count(names) > 0
}

notices["field-outside"] := names if {
	allow
	names := sort([name |
		some name in input.fields
		not given[name]
		not dataset.fields[name].sharing == "private"
	])
	count(names) > 0
}

notices["field-masked"] := names if {
	allow
	names := sort([name | some name, "masked" in given])
	count(names) > 0
}

notices["filter-field"] := sort(filters_outside) if "filter-field" in refusals

reasons := [reason |
	some code in sort(refusals | object.keys(notices))
	reason := object.union(
		{"code": code, "fields": object.get(notices, code, [])},
		object.remove(message(code), {"basis"}),
	)
]

legal_basis := sort({basis |
	some code in (refusals | object.keys(notices))
	some basis in message(code).basis
})
