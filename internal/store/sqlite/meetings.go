package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
)

const meetingColumns = `SELECT tag, family, due, held, entry FROM meeting `

func scanMeeting(scan func(...any) error) (m store.Meeting, err error) {
	var due int64
	err = scan(&m.Tag, &m.Family, &due, &m.Held, &m.Entry)
	m.Due = fromMicros(due)
	return m, err
}

// Meeting implements store.Meetings.
func (s *Settings) Meeting(ctx context.Context, tag string) (m store.Meeting, err error) {
	err = s.db.view(ctx, func(tx *sql.Tx) (err error) {
		m, err = scanMeeting(tx.QueryRowContext(ctx, meetingColumns+`WHERE tag = $1`, tag).Scan)
		return err
	})
	return m, err
}

// UpdateMeeting implements store.Meetings.
func (s *Settings) UpdateMeeting(ctx context.Context, tag string, change func(*store.Meeting) error) error {
	return s.db.update(ctx, func(tx *sql.Tx) error {
		m, err := scanMeeting(tx.QueryRowContext(ctx, meetingColumns+`WHERE tag = $1`, tag).Scan)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		m.Tag = tag
		if err := change(&m); err != nil {
			return err
		}
		_, err = exec(ctx, tx, `INSERT INTO meeting (tag, family, due, held, entry) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tag) DO UPDATE SET family = excluded.family, due = excluded.due, held = excluded.held, entry = excluded.entry`,
			tag, m.Family, micros(m.Due), blob(m.Held), blob(m.Entry))
		return err
	})
}

// DeleteMeeting implements store.Meetings.
func (s *Settings) DeleteMeeting(ctx context.Context, tag string) error {
	return s.db.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `DELETE FROM meeting WHERE tag = $1`, tag)
		return err
	})
}

// MeetingsOf implements store.Meetings.
func (s *Settings) MeetingsOf(ctx context.Context, family string) ([]store.Meeting, error) {
	return s.meetings(ctx, `WHERE family = $1 ORDER BY tag`, family)
}

// MeetingsDue implements store.Meetings.
func (s *Settings) MeetingsDue(ctx context.Context, now time.Time, limit int) ([]store.Meeting, error) {
	return s.meetings(ctx, `WHERE due > 0 AND due <= $1 ORDER BY due, tag LIMIT $2`, micros(now), limit)
}

func (s *Settings) meetings(ctx context.Context, where string, args ...any) (all []store.Meeting, err error) {
	err = s.db.view(ctx, func(tx *sql.Tx) error {
		return rows(ctx, tx, func(r *sql.Rows) error {
			m, err := scanMeeting(r.Scan)
			all = append(all, m)
			return err
		}, meetingColumns+where, args...)
	})
	return all, err
}
