"""What several tests need: commands, small studies, data folders, tables. For tests only."""
