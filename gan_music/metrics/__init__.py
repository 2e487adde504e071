"""The measure of the music: functions of pieces to numbers. They import notes and nothing heavy."""
