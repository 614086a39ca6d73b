"""What runs say, as numbers: the one maths of terminal, report and tab. numpy only, nothing read, nothing drawn."""
