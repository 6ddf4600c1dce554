DELETE FROM code_values;
