"""The pages of what is measured inside a network: data, words and charts of each section."""
