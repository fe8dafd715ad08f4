"""What a trained model is asked to do: functions over abilities, never over families; ids and numbers only, codecs stay outside."""
