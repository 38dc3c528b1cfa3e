package session

// audit writes down an end that is durable: what ended, why, and whether legacy has still to be told. Ids and lineages
// are public; there is nothing else of a session in it.
func (m *Manager) audit(what, of, reason string, res Result) {
	live := 0
	for _, r := range res.Records {
		if r.Live {
			live++
		}
	}
	m.log.Info("sessions ended", "audit", "session.end", "what", what, "of", of, "reason", reason, "sessions", live,
		"legacy_to_confirm", res.EndID != 0)
}
