"""Files that are not sound: written so that they are complete or absent, and read with care where others wrote them.

- writing: files.py (`write_atomically`), together.py (several files), sealed.py (with a checksum), csv_lines.py
- tables of users: tables.py, values.py, matching.py (rows → files); parquet.py
- our own: tensors.py (safetensors), arrays.py (NumPy), configs.py, digests.py; of others: keras.py, pictures.py,
  yaml_texts.py
"""
