package rules

type fastRef struct{}
