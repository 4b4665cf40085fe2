package connector

// SetStandby says whether the second account for the calendars' server is in use,
// since the first is refused: an alarm stands for as long.
func (c *Connector) SetStandby(inUse bool) {
	if !inUse {
		c.alarms.clear(alarmStandby)
		return
	}
	c.alarms.set(alarmStandby, "the first service account is refused and the one that stands by is used: nothing makes up for that one now; "+
		"enter the first one's right password, or unlock it, and it is used again by itself; koyomi check says how both sign in")
}
