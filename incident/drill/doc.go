// Package drill runs exercises (Chỉ thị 18/CT-TTg 2022, NĐ 331/2026 Đ31.3):
// a scenario with aim, scope, tools, depth, time and stop rule is planned,
// approved by a second person, run on the real pipeline, paused, stopped and
// scored from the records that the responders themselves left.
//
// Generated packets go through a real sensor process; everything they raise
// carries the drill's id as exercise_id and stands apart from what is real.
// Mails go only to people on the roster, and carry the banner. Offsets of
// injects are in exercise time, which stands still while the drill is paused.
//
// What has happened is rows that are only added; states, times and points are
// computed from them. Not here: lessons and their follow-up, import and export
// of scenarios, media and SMS injects.
package drill
