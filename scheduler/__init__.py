"""The clock process: leader, timetable, dispatcher, event streams."""
