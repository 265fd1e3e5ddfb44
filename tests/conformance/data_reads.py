#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
"""Compares what mq's data readers hand to a model with numpy and, where it is installed, PIL: every array type and order, batches,
JSON lines, test folders, pictures, every kind of resize. Files that mq writes must load in numpy as they were.

Usage: data_reads.py DATA_DUMP WORK_DIR [PART...]"""
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

try:
    from PIL import Image
except ImportError:
    Image = None

dump, work = os.path.abspath(sys.argv[1]), sys.argv[2]
shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)
os.chdir(work)
rng = np.random.default_rng(1)
n_checks = 0
failures = []


def check(what, ok, detail=''):
    global n_checks
    n_checks += 1
    if not ok:
        failures.append(what)
        print(f'FAILED {what} {detail}')


def model(path, inputs, outputs=(), extra=()):
    """A graph whose inputs are only looked at. inputs: name -> (type, shape)."""
    ins = [helper.make_tensor_value_info(n, t, s) for n, (t, s) in inputs.items()]
    outs = [helper.make_tensor_value_info(n, t, s) for n, (t, s) in dict(outputs).items()]
    nodes = list(extra)
    for i, (n, (t, s)) in enumerate(dict(outputs).items()):
        nodes.append(helper.make_node('Constant', [], [n], value=helper.make_tensor('v', t, [0], [])))
    if not outs:
        first = next(iter(inputs))
        nodes.append(helper.make_node('Identity', [first], ['out_']))
        outs = [helper.make_tensor_value_info('out_', inputs[first][0], inputs[first][1])]
    m = helper.make_model(helper.make_graph(nodes, 'g', ins, outs), opset_imports=[helper.make_opsetid('', 17)], ir_version=9)
    onnx.save(m, path)


def run(m, *options):
    done = subprocess.run([dump, m, 'out.npz', *options], capture_output=True, text=True, errors='replace', timeout=120)
    got = dict(np.load('out.npz')) if done.returncode == 0 else {}
    return done, got


def reads(what, m, options, want):
    done, got = run(m, *options)
    check(what, done.returncode == 0, done.stderr)
    for name, array in want.items():
        have = got.get(name)
        same = have is not None and have.shape == array.shape and have.dtype == array.dtype and (
            np.array_equal(have, array, equal_nan=array.dtype.kind == 'f'))
        check(f'{what}: {name}', same, f'{None if have is None else (have.dtype, have.shape)} for {array.dtype, array.shape}')
    return done


def refuses(what, m, options, code, text=''):
    done, _ = run(m, *options)
    check(what, done.returncode == code and text in done.stderr, f'{done.returncode} {done.stderr}')


TYPES = {'f2': TensorProto.FLOAT16, 'f4': TensorProto.FLOAT, 'f8': TensorProto.DOUBLE, 'i1': TensorProto.INT8,
         'i2': TensorProto.INT16, 'i4': TensorProto.INT32, 'i8': TensorProto.INT64, 'u1': TensorProto.UINT8,
         'u2': TensorProto.UINT16, 'u4': TensorProto.UINT32, 'u8': TensorProto.UINT64, 'b1': TensorProto.BOOL,
         'c8': TensorProto.COMPLEX64, 'c16': TensorProto.COMPLEX128, 'U5': TensorProto.STRING, 'S5': TensorProto.STRING}


def sample(code, shape):
    if code[0] in 'US':
        words = np.array(['', 'a', 'häß', '日本語x', '𝔘𝔫'] if code[0] == 'U' else ['', 'a', 'bcd', 'efghi', 'x'])
        return words[rng.integers(0, 5, shape)].astype(code)
    if code == 'b1':
        return rng.random(shape) < 0.5
    if code[0] == 'c':
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(code)
    if code[0] == 'f':
        return rng.standard_normal(shape).astype(code)
    info = np.iinfo(code)
    return rng.integers(info.min, info.max, shape, dtype=code, endpoint=True)


def arrays():
    for code, onnx_type in TYPES.items():
        for shape in [(4, 3, 5), (1, 2), (6,)]:
            model('m.onnx', {'x': (onnx_type, ['N', *shape[1:]])})
            a = sample(code, shape)
            want = a.astype('U5') if code[0] == 'S' else a
            if code[0] in 'US':
                longest = max((len(s) for s in want.ravel()), default=1) or 1
                want = want.astype(f'<U{longest}')
            forms = {'C': a, 'F': np.asfortranarray(a), 'big': a.astype(a.dtype.newbyteorder('>'))}
            forms['big F'] = np.asfortranarray(forms['big'])
            for name, form in forms.items():
                np.save('x.npy', form)
                np.savez('x.npz', x=form)
                np.savez_compressed('z.npz', x=form, other=np.zeros(3))
                for source in ['x.npy', 'x.npz', 'z.npz', 'x=z.npz:x']:
                    for batch in ['1', '4']:
                        reads(f'{code} {shape} {name} {source} batch {batch}', 'm.onnx', ['--data', source, '--batch', batch],
                              {'in.x': want})
    model('m.onnx', {'x': (TensorProto.FLOAT, ['N', 50, 50])})
    a = rng.integers(0, 9, (700, 50, 50)).astype('f4')  # 7 MB: inflated into a file, pages given back
    for name, form in {'C': a, 'F': np.asfortranarray(a), 'big': a.astype('>f4')}.items():
        np.savez('x.npz', x=form)
        np.savez_compressed('z.npz', x=form)
        for source in ['x.npz', 'z.npz']:
            reads(f'large {name} {source}', 'm.onnx', ['--data', source, '--batch', '64'], {'in.x': a})
    for version in [(1, 0), (2, 0), (3, 0)]:
        with open('v.npy', 'wb') as f:
            np.lib.format.write_array(f, np.arange(6.0, dtype='f4').reshape(2, 3), version=version)
        model('m.onnx', {'x': (TensorProto.FLOAT, ['N', 3])})
        reads(f'version {version}', 'm.onnx', ['--data', 'v.npy'], {'in.x': np.arange(6.0, dtype='f4').reshape(2, 3)})


def conversions():
    a = rng.standard_normal((3, 4))
    for to, t in [('f4', TensorProto.FLOAT), ('f2', TensorProto.FLOAT16), ('f8', TensorProto.DOUBLE)]:
        model('m.onnx', {'x': (t, ['N', 4])})
        for start in ['f2', 'f4', 'f8']:
            np.save('x.npy', a.astype(start))
            reads(f'{start} to {to}', 'm.onnx', ['--data', 'x.npy'], {'in.x': a.astype(start).astype(to)})
    ids = rng.integers(0, 100, (3, 4))
    for to, t in [('i8', TensorProto.INT64), ('i4', TensorProto.INT32), ('f4', TensorProto.FLOAT), ('u1', TensorProto.UINT8)]:
        model('m.onnx', {'x': (t, ['N', 4])})
        for start in ['i8', 'i4', 'i2']:
            np.save('x.npy', ids.astype(start))
            reads(f'{start} to {to}', 'm.onnx', ['--data', 'x.npy'], {'in.x': ids.astype(to)})
    model('m.onnx', {'x': (TensorProto.INT8, ['N', 4])})
    np.save('x.npy', np.full((1, 4), 300))
    refuses('300 as int8', 'm.onnx', ['--data', 'x.npy'], 3, 'does not fit int8')
    np.save('x.npy', np.zeros((1, 4), 'f4'))
    refuses('float as int8', 'm.onnx', ['--data', 'x.npy'], 3, 'does not fit input')


def batches():
    a = rng.standard_normal((7, 3)).astype('f4')
    ref = rng.standard_normal((7, 2)).astype('f4')
    labels = np.arange(7)
    np.savez('d.npz', x=a, y=ref, l=labels, scale=np.float32(2.5))
    ins = {'x': (TensorProto.FLOAT, ['N', 3]), 'scale': (TensorProto.FLOAT, [])}
    model('m.onnx', ins, {'y': (TensorProto.FLOAT, ['N', 2])})
    for batch in [1, 2, 3, 7, 100]:
        want = {'in.x': a, 'want.y': ref, 'labels': labels}
        done = reads(f'batch {batch}', 'm.onnx', ['--data', 'd.npz', '--labels', ':l', '--batch', str(batch)], want)
        check(f'batch {batch} runs', done.stdout.count('run n=') == -(-7 // batch), done.stdout)
    model('fixed.onnx', {'x': (TensorProto.FLOAT, [3, 3]), 'scale': (TensorProto.FLOAT, [])}, {'y': (TensorProto.FLOAT, [3, 2])})
    done = reads('fixed batch', 'fixed.onnx', ['--data', 'd.npz', '--labels', ':l'], {'in.x': a, 'want.y': ref, 'labels': labels})
    check('fixed batch is filled up', 'run n=1 rows=3' in done.stdout, done.stdout)
    refuses('other batch', 'fixed.onnx', ['--data', 'd.npz', '--labels', ':l', '--batch', '2'], 2, 'fixed batch of 3')
    for n in [1, 2, 3, 5]:
        picked = [i * 7 // n for i in range(n)]
        reads(f'samples {n}', 'm.onnx', ['--data', 'd.npz', '--samples', str(n), '--batch', '2'], {'in.x': a[picked], 'want.y': ref[picked]})
    np.savez('rows.npz', x=rng.standard_normal((4, 2, 3)).astype('f4'), scale=np.arange(4, dtype='f4'))
    model('m.onnx', ins)
    rows = np.load('rows.npz')
    reads('a row is a run', 'm.onnx', ['--data', 'rows.npz'], {f'in.x.{i}': rows['x'][i] for i in range(4)} |
          {f'in.scale.{i}': rows['scale'][i] for i in range(4)})
    np.save('p.npy', a)
    np.save('q.npy', a[:2])
    model('one.onnx', {'x': (TensorProto.FLOAT, ['N', 3])})
    reads('two files', 'one.onnx', ['--data', 'p.npy', '--data', 'q.npy', '--batch', '4'], {'in.x': np.concatenate([a, a[:2]])})
    model('two.onnx', {'x': (TensorProto.FLOAT, ['N', 3]), 'z:0': (TensorProto.FLOAT, ['N', 3])})
    reads('columns', 'two.onnx', ['--data', 'x=p.npy', '--data', 'z:0=d.npz:x', '--batch', '3'], {'in.x': a, 'in.z:0': a})
    refuses('columns of other lengths', 'two.onnx', ['--data', 'x=p.npy', '--data', 'z:0=q.npy'], 3, '2 samples')
    refuses('uint8 for float', 'one.onnx', ['--data', save('u.npy', np.zeros((2, 3), 'u1'))], 2, 'imagenet')
    refuses('nothing for an input', 'two.onnx', ['--data', 'd.npz'], 3, "nothing feeds input 'z:0'")


def save(path, array):
    np.save(path, array)
    return path


def lines():
    model('m.onnx', {'ids': (TensorProto.INT64, ['N', 'S']), 'mask': (TensorProto.INT32, ['N', 'S'])})
    samples = [[5, 6, 7], [1, 2, 3], [9], [8, 8]]
    with open('d.jsonl', 'w') as f:
        for s in samples:
            f.write(json.dumps({'ids': s, 'mask': [1] * len(s), 'label': len(s)}) + '\n\n')
    want = {f'in.ids.{i}': np.array([s]) for i, s in enumerate(samples)} | {'labels': np.array([3, 3, 1, 2])}
    reads('lengths differ', 'm.onnx', ['--data', 'd.jsonl', '--labels', ':label'], want)
    reads('equal lengths are joined', 'm.onnx', ['--data', 'd.jsonl', '--batch', '4'],
          {'in.ids.0': np.array(samples[:2]), 'in.ids.1': np.array([[9]]), 'in.mask.1': np.array([[1]], 'i4')})
    model('f.onnx', {'x': (TensorProto.FLOAT, ['N', 2, 2])})
    with open('f.jsonl', 'w') as f:
        f.write('{"x": [[1, 2.5], [3, -4e-3]]}\n{"x": [[1, 2], [3, 4]]}')
    reads('floats', 'f.onnx', ['--data', 'f.jsonl', '--batch', '2'], {'in.x': np.array([[[1, 2.5], [3, -4e-3]], [[1, 2], [3, 4]]], 'f4')})
    for bad in ['{"x": [[1,2],[3]]}', '{"x": [[1,2],[3,null]]}', '[1]', '{"x": ', '{"x": ' + '[' * 3000]:
        with open('b.jsonl', 'w') as f:
            f.write(bad)
        refuses(f'line {bad[:30]}', 'f.onnx', ['--data', 'b.jsonl'], 3, 'b.jsonl')
    with open('s.jsonl', 'w') as f:
        f.write('{"x": [[1,2],[3,4]]}\n{"x": 7}\n{"x": [[5,6],[7,8]]}\n')
    refuses('a bad line', 'f.onnx', ['--data', 's.jsonl'], 3, 's.jsonl, sample 1')
    reads('a bad line left out', 'f.onnx', ['--data', 's.jsonl', '--skip-bad'], {'in.x': np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], 'f4')})


def folders():
    model('m.onnx', {'a': (TensorProto.FLOAT, ['N', 2]), 'b': (TensorProto.STRING, ['K'])}, {'y': (TensorProto.FLOAT, ['N', 2])})
    want = {}
    for i in [0, 1, 2, 10]:
        d = f't/test_data_set_{i}'
        os.makedirs(d)
        values = {'input_0': rng.standard_normal((i + 1, 2)).astype('f4'), 'input_1': np.array(['x', 'yz'][: 1 + i % 2], dtype=object),
                  'output_0': rng.standard_normal((i + 1, 2)).astype('f4')}
        for k, v in values.items():
            with open(f'{d}/{k}.pb', 'wb') as f:
                f.write(numpy_helper.from_array(v, '').SerializeToString())
        k = len([n for n in want if n.startswith('in.a')])
        want |= {f'in.a.{k}': values['input_0'], f'in.b.{k}': values['input_1'].astype('U'), f'want.y.{k}': values['output_0']}
    reads('test folder', 'm.onnx', ['--data', 't'], want)
    reads('one set', 'm.onnx', ['--data', 't/test_data_set_10'], {'in.a': want['in.a.3']})


def fills():
    model('d.onnx', {'input_ids': (TensorProto.INT64, ['batch', 'seq']), 'attention_mask': (TensorProto.INT64, ['batch', 'past + seq']),
                     'position_ids': (TensorProto.INT64, ['batch', 'seq']),
                     'past_key_values.0.key': (TensorProto.FLOAT, ['batch', 4, 'past', 8])})
    np.savez('ids.npz', input_ids=np.arange(10).reshape(2, 5))
    options = ['--data', 'ids.npz', '--fill', 'past_key_values.*=empty', '--fill', 'attention_mask=ones', '--fill', 'position_ids=range',
               '--batch', '2']
    reads('a decoder', 'd.onnx', options, {'in.attention_mask': np.ones((2, 5), 'i8'), 'in.position_ids': np.array([[0, 1, 2, 3, 4]] * 2),
                                          'in.past_key_values.0.key': np.zeros((2, 4, 0, 8), 'f4')})
    reads('a decoder with a past', 'd.onnx', [*options[:2], '--dim', 'past=3', '--fill', 'past_key_values.*=0.5', *options[4:]],
          {'in.attention_mask': np.ones((2, 8), 'i8'), 'in.past_key_values.0.key': np.full((2, 4, 3, 8), 0.5, 'f4')})
    refuses('a pattern without an input', 'd.onnx', [*options, '--fill', 'pst.*=zeros'], 2, 'pst')
    table = helper.make_node('Gather', ['table', 'input_ids'], ['e'])
    t = helper.make_node('Constant', [], ['table'], value=numpy_helper.from_array(np.zeros((37, 2), 'f4')))
    model('g.onnx', {'input_ids': (TensorProto.INT64, ['batch', 200]), 'x': (TensorProto.FLOAT, ['batch', 5000])}, extra=[t, table])
    _, got = run('g.onnx', '--data', 'random:3')
    ids, x = got['in.input_ids'], got['in.x']
    check('ids inside their table', ids.min() >= 0 and ids.max() == 36 and ids.shape == (3, 200))
    check('normal numbers', abs(x.mean()) < 0.03 and abs(x.std() - 1) < 0.03)
    _, again = run('g.onnx', '--data', 'random:3', '--batch', '3')
    check('the same for any batch', all(np.array_equal(got[k], again[k]) for k in got if k.startswith('in.')))
    _, other = run('g.onnx', '--data', 'random:3', '--seed', '1')
    check('others for another seed', not np.array_equal(x, other['in.x']))
    _, flat = run('g.onnx', '--data', 'random:3,uniform=-1/3')
    u = flat['in.x']
    check('uniform numbers', u.min() >= -1 and u.max() <= 3 and abs(u.mean() - 1) < 0.05 and u.std() > 1.1)


# ---- pictures

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def picture_files():
    os.makedirs('pics/b', exist_ok=True)
    os.makedirs('pics/a', exist_ok=True)
    y, x = np.mgrid[0:97, 0:131]
    smooth = np.stack([x * 255 / 130, y * 255 / 96, 127 + 120 * np.sin(x / 9) * np.cos(y / 7)], -1).astype('u1')
    noise = rng.integers(0, 256, (97, 131, 3), dtype='u1')
    Image.fromarray(noise).save('pics/a/noise.png')
    Image.fromarray(smooth).save('pics/b/smooth.jpg', quality=92)
    Image.fromarray(smooth).resize((50, 300)).convert('L').save('pics/b/gray.jpeg', progressive=True)
    Image.fromarray(noise[:20, :90]).convert('P').save('pics/b/palette.PNG')
    Image.fromarray(np.dstack([noise, noise[:, :, :1]])).save('pics/z.png')
    for k in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = k
        Image.fromarray(smooth).save(f'pics/exif{k}.jpg', exif=exif, subsampling=0)
    open('pics/notes.txt', 'w').write('no picture')
    found = [os.path.join(d, f) for d, _, fs in os.walk('pics') for f in fs if f.lower().endswith(('.jpg', '.jpeg', '.png'))]
    return sorted(found, key=os.fsencode)


def decoded(path):
    from PIL import ImageOps
    return ImageOps.exif_transpose(Image.open(path)).convert('RGB')


def near(what, got, want, bound):
    have = list(got['in.x']) if 'in.x' in got else [got[f'in.x.{i}'][0] for i in range(len(want))]
    worst = max(float(np.abs(np.float64(h) - np.float64(w)).max()) if np.shape(h) == np.shape(w) else 1e9 for h, w in zip(have, want))
    check(what, worst <= bound, f'differs by {worst}')
    return worst


def chw(image):
    a = np.asarray(image)
    return a.transpose(2, 0, 1) if a.ndim == 3 else a[None]


def pictures():
    files = picture_files()
    model('u8.onnx', {'x': (TensorProto.UINT8, ['N', 3, 'H', 'W'])})
    model('f.onnx', {'x': (TensorProto.FLOAT, ['N', 3, 'H', 'W'])})
    model('sized.onnx', {'x': (TensorProto.FLOAT, ['N', 3, 64, 80])})
    model('nhwc.onnx', {'x': (TensorProto.FLOAT, ['N', 'H', 'W', 3])})
    model('gray.onnx', {'x': (TensorProto.FLOAT, ['N', 1, 'H', 'W'])})
    images = [decoded(f) for f in files]
    refuses('pictures without --preprocess', 'f.onnx', ['--data', 'pics'], 2, 'yolo')
    done, got = run('u8.onnx', '--data', 'pics', '--preprocess', 'none')
    check('pictures in order', done.returncode == 0 and f"first '{files[0]}'" in done.stdout, done.stderr + done.stdout[-300:])
    worst = near('decoded', got, [chw(i) for i in images], 2)
    filters = {'bilinear': Image.BILINEAR, 'nearest': Image.NEAREST, 'bicubic': Image.BICUBIC, 'area': Image.BOX}
    exact = [f for f in files if f.lower().endswith('.png')]
    open('list.txt', 'w').write('# pictures\n' + '\n'.join(exact) + '\n')
    pngs = [decoded(f) for f in exact]
    for name, f in filters.items():
        for h, w in [(40, 56), (64, 80), (200, 150), (97, 33), (300, 131), (7, 5)]:
            _, got = run('u8.onnx', '--data', 'list.txt', '--preprocess', f'resize={h}x{w},interp={name}')
            near(f'{name} {h}x{w}', got, [chw(i.resize((w, h), f)) for i in pngs], 0)
    for h, w in [(40, 56), (64, 80), (200, 150), (97, 33), (300, 131), (7, 5)]:
        _, got = run('u8.onnx', '--data', 'list.txt', '--preprocess', f'resize={h}x{w},antialias=off')
        near(f'two by two neighbours {h}x{w}', got, [lerp(lerp(chw(i).astype(float), h, 1), w, 2) for i in pngs], 1)
    _, got = run('f.onnx', '--data', 'list.txt', '--preprocess', 'imagenet,resize=80,crop=20')
    near('imagenet', got, [imagenet(i, 80, 20) for i in pngs], 1e-6)
    _, got = run('nhwc.onnx', '--data', 'list.txt', '--preprocess', 'imagenet,resize=80,crop=20')
    near('imagenet nhwc', got, [imagenet(i, 80, 20).transpose(1, 2, 0) for i in pngs], 1e-6)
    _, got = run('sized.onnx', '--data', 'list.txt', '--preprocess', 'tf')
    near('tf', got, [chw(i.resize((80, 64), Image.BILINEAR)) / np.float32(127.5) - 1 for i in pngs], 1e-6)
    _, got = run('f.onnx', '--data', 'list.txt', '--preprocess', 'caffe,resize=80,crop=20x20')
    near('caffe', got, [cropped(i, 80, 20)[::-1] - np.float32([104, 117, 123])[:, None, None] for i in pngs], 1e-6)
    _, got = run('gray.onnx', '--data', 'list.txt', '--preprocess', 'order=gray,scale=0.5')
    near('gray', got, [chw(i.convert('L')) * 0.5 for i in pngs], 0)
    _, got = run('sized.onnx', '--data', 'list.txt', '--preprocess', 'yolo,antialias=on')
    near('letterbox', got, [boxed(i, 64, 80) for i in pngs], 1e-6)
    refuses('swapped', 'sized.onnx', ['--data', 'list.txt', '--preprocess', 'resize=80x64'], 2, 'swapped')
    refuses('unknown key', 'f.onnx', ['--data', 'list.txt', '--preprocess', 'reszie=80'], 2, "did you mean 'resize'")
    json.dump({'about': 'x', 'resize': [40, 56], 'mean': [1, 2, 3], 'order': 'bgr'}, open('p.json', 'w'))
    _, got = run('f.onnx', '--data', 'list.txt', '--preprocess', 'p.json')
    near('JSON', got, [chw(i.resize((56, 40), Image.BILINEAR))[::-1] - np.float32([1, 2, 3])[:, None, None] for i in pngs], 0)
    arrays_of_pixels()
    labels_of_pictures(files)
    damaged_pictures()
    print(f'pictures: JPEG decoding differs from PIL by at most {worst:g} of 255')


def lerp(a, n, axis):
    """Along one axis, between the two nearest pixels: OpenCV's INTER_LINEAR before rounding."""
    at = (np.arange(n) + 0.5) * a.shape[axis] / n - 0.5
    low = np.floor(at).astype(int)
    shape = [-1 if k == axis else 1 for k in range(3)]
    take = [np.take(a, np.clip(low + k, 0, a.shape[axis] - 1), axis) for k in (0, 1)]
    return take[0] + (take[1] - take[0]) * (at - low).reshape(shape)


def cropped(image, short, size):
    w, h = image.size
    new = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    image = image.resize(new, Image.BILINEAR)
    top, left = int(round((image.height - size) / 2)), int(round((image.width - size) / 2))
    return chw(image)[:, top:top + size, left:left + size]


def imagenet(image, short, size):
    return (cropped(image, short, size) / np.float32(255) - MEAN[:, None, None]) / STD[:, None, None]


def boxed(image, height, width):
    ratio = min(height / image.height, width / image.width)
    h, w = round(image.height * ratio), round(image.width * ratio)
    out = np.full((3, height, width), 114, 'u1')
    top, left = round((height - h) / 2 - 0.1), round((width - w) / 2 - 0.1)
    out[:, top:top + h, left:left + w] = chw(image.resize((w, h), Image.BILINEAR))
    return out / np.float32(255)


def arrays_of_pixels():
    a = rng.integers(0, 256, (3, 3, 30, 40), dtype='u1')
    np.save('chw.npy', a)
    np.save('hwc.npy', a.transpose(0, 2, 3, 1))
    want = a[:, ::-1] / np.float32(255)
    for path in ['chw.npy', 'hwc.npy']:
        _, got = run('f.onnx', '--data', path, '--preprocess', 'order=bgr,scale=1/255', '--batch', '2')
        near(path, got, want, 0)
    _, got = run('f.onnx', '--data', 'hwc.npy', '--preprocess', 'from=nhwc,resize=16x20')
    near('hwc resized', got, np.stack([chw(Image.fromarray(i.transpose(1, 2, 0)).resize((20, 16), Image.BILINEAR)) for i in a]), 0)
    f = rng.standard_normal((2, 3, 30, 40)).astype('f4')
    np.save('float.npy', f)
    _, got = run('f.onnx', '--data', 'float.npy', '--preprocess', 'resize=16x20')
    want = np.stack([np.stack([np.asarray(Image.fromarray(c).resize((20, 16), Image.BILINEAR)) for c in i]) for i in f])
    near('floats resized', got, want, 1e-6)


def labels_of_pictures(files):
    with open('l.csv', 'w') as f:
        f.write('file,label\n' + ''.join(f'{os.path.basename(p)},{i * 3}\n' for i, p in enumerate(files)))
    _, got = run('u8.onnx', '--data', 'pics', '--preprocess', 'none', '--labels', 'l.csv')
    check('labels of a CSV', np.array_equal(got.get('labels'), np.arange(len(files)) * 3))
    shutil.copytree('pics', 'classes')
    for f in os.listdir('classes'):
        if os.path.isfile(f'classes/{f}'):
            os.remove(f'classes/{f}')
    _, got = run('u8.onnx', '--data', 'classes', '--preprocess', 'none', '--labels', 'folders')
    check('labels of folders', np.array_equal(got.get('labels'), [0, 1, 1, 1]), got.get('labels'))
    shutil.copy('l.csv', 'pics/labels.csv')
    done, got = run('u8.onnx', '--data', 'pics', '--preprocess', 'none')
    check('labels.csv beside', 'labels are from' in done.stdout and np.array_equal(got.get('labels'), np.arange(len(files)) * 3))


def damaged_pictures():
    os.makedirs('bad', exist_ok=True)
    for source in ['pics/a/noise.png', 'pics/b/smooth.jpg']:
        data = open(source, 'rb').read()
        for cut in [0, 1, 10, 30, 100, len(data) // 2, len(data) - 20]:
            path = 'bad/x' + os.path.splitext(source)[1]
            open(path, 'wb').write(data[:cut])
            refuses(f'{source} cut at {cut}', 'u8.onnx', ['--data', 'bad', '--preprocess', 'none'], 3, 'bad/x')
        done, got = run('u8.onnx', '--data', 'bad', '--data', 'pics', '--preprocess', 'none', '--skip-bad')
        check('a damaged picture left out', done.returncode == 0 and 'warning bad-sample' in done.stdout, done.stderr)
        for _ in range(60):
            broken = bytearray(data)
            for _ in range(rng.integers(1, 8)):
                broken[rng.integers(2, len(data))] = rng.integers(0, 256)
            open(path, 'wb').write(bytes(broken))
            done, _ = run('u8.onnx', '--data', 'bad', '--preprocess', 'none')
            check('changed bytes', done.returncode in (0, 3), f'{done.returncode} {done.stderr}')
        os.remove(path)


def damaged_arrays():
    model('m.onnx', {'x': (TensorProto.FLOAT, ['N', 300])})
    a = rng.standard_normal((20, 300)).astype('f4')
    np.save('b.npy', a)
    np.savez('b.npz', x=a)
    np.savez_compressed('c.npz', x=a)
    for source in ['b.npy', 'b.npz', 'c.npz']:
        data = open(source, 'rb').read()
        path = 'bad' + source
        for cut in [*range(0, 200, 7), len(data) // 2, len(data) - 1]:
            open(path, 'wb').write(data[:cut])
            refuses(f'{source} cut at {cut}', 'm.onnx', ['--data', path], 3, path)
        for k in range(200):
            broken = bytearray(data)
            heads = list(range(0, 128)) + list(range(len(data) - 120, len(data)))
            for _ in range(rng.integers(1, 5)):
                broken[heads[rng.integers(0, len(heads))]] = rng.integers(0, 256)
            open(path, 'wb').write(bytes(broken))
            done, _ = run('m.onnx', '--data', path)
            check(f'{source} with changed bytes', done.returncode in (0, 2, 3), f'{done.returncode} {done.stderr}')


parts = [arrays, conversions, batches, lines, folders, fills, damaged_arrays, pictures]
for part in parts:
    if part is pictures and not Image:
        print('skipped: pictures (PIL is not installed)')
    elif part.__name__ in (sys.argv[3:] or [p.__name__ for p in parts]):
        part()
print(f'{n_checks} checks, {len(failures)} failed')
sys.exit(bool(failures))
