"""Small templates, one per line; a pilcrow stands for a newline."""

VARIABLES = {
    "s": "Hello World", "e": "", "n": 5, "f": 2.5, "t": True, "z": None, "xs": [3, 1, 2], "words": ["b", "A", "c", "a"], "m": {"b": 1, "a": "two", "items": [1]},
    "people": [{"name": "Ann", "age": 30, "x": {"y": 1}}, {"name": "bob", "age": 25, "x": {"y": 2}}, {"name": "Cy", "age": 25}], "emoji": "a👍é日𝒳z", "ws": " \t x \n ",
}

EXPRESSIONS = r"""
1 + 2 * 3
(1 + 2) * 3
7 // 2
-7 // 2
7 // -2
7 % 3
-7 % 3
7 % -3
-7 % -3
7 / 2
6 / 2
2 ** 10
2 ** 3 ** 2
2 ** -1
-2 ** 2
7.5 // 2
-7.5 // 2
-7.5 % 2
7.5 % -2
1e3
1E-5
1.5e+2
1_000
0.1 + 0.2
1e16
1e15
123456789012345680.0
1e22
1.0
100.0
1e-4
0.00001
-0.0
1/3
2/3*100
5 / 0
5 // 0
5 % 0
5.0 / 0
1 + 1.5
true + true
true * 3
-true
+true
-s
'a' + 1
1 + 'a'
'a' + z
'a' ~ 1 ~ z ~ true ~ 1.5
'ab' * 3
3 * 'ab'
'ab' * -1
[1] * 2
[1] + [2]
[1] + (2,)
(1,) + (2,)
'a' * 1.5
xs - 1
s - 1
none + 1
missing + 1
missing ~ 'x'
'x' + missing
1 == 1.0
true == 1
'1' == 1
none == false
missing == none
missing == missing
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
1 != 2
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2
'a' < 'b'
'B' < 'a'
'abc' < 'abd'
'ab' < 'abc'
[1, 2] < [1, 3]
[1] < [1, 0]
1 < 'a'
none < 1
missing < 1
'a' in 'abc'
'' in 'abc'
1 in 'abc'
1 in xs
9 not in xs
'a' in m
'z' in m
'a' in none
'a' in missing
1 in 5
not 1 in xs
not true
not e
not not s
1 and 2
0 and 2
0 or 'x'
e or z or 'last'
s or 1
1 and 0 or 3
not 0 and 1
'y' if t else 'n'
'y' if e else 'n'
'y' if e
('y' if e) is undefined
'a' if z else 'b' if t else 'c'
1 if 2 if 0 else 3
s[0]
s[-1]
s[100]
s[0:5]
s[6:]
s[:-6]
s[::-1]
s[::2]
s[-3:]
s[8:2]
s[8:2:-2]
s[::0]
s[none:2]
s['x']
xs[0]
xs[-1]
xs[5] is undefined
xs[1:]
xs[::-1]
xs[:100]
xs[-100:2]
xs[5:1:-1]
xs['a'] is undefined
xs.0
m.a
m['a']
m.b + 1
m['items']
m.missing
m.missing.more
m['missing']['more']
m[0] is undefined
m[[1]] is undefined
none.x
none.x.y
none[0]
z[1:]
z[:1]
5[0]
5 .x
missing
missing.x
missing[0]
missing[1:]
missing()
s()
s.nothing()
m.nothing()
xs.append(4)
emoji|length
emoji[1]
emoji[-2]
emoji[::-1]
emoji[1:3]
emoji|list
emoji|reverse
emoji.find('日')
emoji.index('z')
emoji.count('')
emoji|tojson
emoji|tojson(ensure_ascii=true)
[emoji]
[]
[1, 'a', none, true, 2.5, missing]
(1,)
(1, 2)
()
{}
{'a': 1, 2: 'b', none: [], true: {}}
{'a': 1, 'a': 2}
{1: 'a', 1.0: 'b', true: 'c'}
{[]: 1}
{'x': {'y': [1, {'z': "it's"}]}}
["it's", 'say "hi"', 'both \' and "', 'tab\t nl\n cr\r bs\\', '\x00\x7f\u200b\u00a0é']
'a' 'b' 'c'
'\u00e9\x41\101\n|\\|\'|\"|\q'
"\U0001F600"
"double 'single'"
"\x4"
1,2
1,
z
t
f
xs
m
'%s is %d and %5.2f%%' % ('x', 3, 2.345)
'%s' % xs
'%r' % 'x'
'%s %s' % ('a',)
'%05d|%-5s|%5s|%x' % (42, 'ab', 'cd', 255)
'%d' % 3.9
'%d' % 'x'
'%s' % none
s.upper()
s.lower()
s.title()
"they're bill's".title()
s.capitalize()
'ÀÉ straße'.lower()
'àé'.upper()
ws.strip()|tojson
ws.lstrip()|tojson
ws.rstrip()|tojson
'xxhixx'.strip('x')
'abchicba'.strip('abc')
'xxhixx'.lstrip('x')
'xxhixx'.rstrip('x')
'\x1c\u3000 a\x85'.strip()
s.split()
s.split(' ')
s.split('o')
s.split('o', 1)
s.split('zz')
s.split('')
'a,b,,c,'.split(',')
'  a  b  '.split()
'  a  b c '.split(none, 1)
'  a  b c '.rsplit(none, 1)
'a,b,c'.rsplit(',', 1)
'a,b,c'.split(sep=',', maxsplit=1)
''.split()
''.split(',')
'a\nb\r\nc\n\n'.splitlines()
'a\nb\n'.splitlines(true)
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'abc'.partition('=')
s.startswith('Hell')
s.startswith('hell')
s.startswith(('x', 'He'))
s.startswith(1)
s.endswith('ld')
s.endswith('')
s.replace('o', '0')
s.replace('o', '0', 1)
s.replace('l', '')
'abc'.replace('', '-')
'abc'.replace('', '-', 2)
'abc'.replace('', '-', 9)
'abc'.replace('b', '-', 0)
s.replace('x', 1)
s.find('o')
s.find('zz')
s.rfind('o')
s.index('zz')
s.count('l')
'aaaa'.count('aa')
','.join(words)
','.join([1])
','.join('abc')
'123'.isdigit()
''.isdigit()
'abc'.isalpha()
'ab1'.isalnum()
' \t'.isspace()
'ABC'.isupper()
'abC'.islower()
'prefix-x'.removeprefix('prefix-')
'x.txt'.removesuffix('.txt')
m.get('a')
m.get('q')
m.get('q', 7)
m.keys()|list
m.values()|list
m.items()|list
m.items()|length
m|list
m|length
xs.index(2)
xs.index(9)
xs.count(1)
xs|length
z|length
5|length
missing|length
xs|first
xs|last
[]|first
[]|first is undefined
s|first
m|first
z|first
xs|sort
xs|sort(reverse=true)
words|sort
words|sort(case_sensitive=true)
words|sort(false, true)
[1, 'a']|sort
people|sort(attribute='age')|map(attribute='name')|list
people|sort(attribute='age', reverse=true)|map(attribute='name')|list
[1.5, 1, true, 0]|sort
xs|min
xs|max
[]|max
words|max
words|min(case_sensitive=true)
people|max(attribute='age')
xs|sum
[]|sum
people|sum(attribute='age')
[0.1, 0.2]|sum
['a']|sum
xs|join
xs|join('-')
people|join(', ', attribute='name')
'abc'|join('.')
missing|join(',')
z|join
['a', 'A', 'b']|unique|list
['a', 'A', 'b']|unique(true)|list
[1, 1.0, true, 2]|unique|list
xs|reverse|list
xs|list
'abc'|list
5|list
words|map('upper')|list
words|map('upper')|join
people|map(attribute='name')|list
people|map(attribute='x.y')|list
people|map(attribute='zip', default='?')|list
people|map(attribute='x.y', default=0)|list
xs|map('string')|list
xs|map('nothing')|list
words|map('replace', 'a', 'q')|list
words|map('default', 'q')|join(' ')
people|selectattr('age', 'equalto', 25)|map(attribute='name')|list
people|selectattr('x')|list|length
people|selectattr('x', 'defined')|list|length
people|rejectattr('x', 'defined')|map(attribute='name')|list
people|selectattr('age', '>', 26)|list|length
people|selectattr('name', 'in', ['Ann', 'Cy'])|map(attribute='age')|list
people|rejectattr('age', 'ge', 30)|list|length
xs|select('odd')|list
xs|reject('odd')|list
xs|select('divisibleby', 3)|list
xs|select('>', 1)|list
[0, 1, '', 'a', none]|select|list
[0, 1, '', 'a', none]|reject|list
xs|select('nothing')|list
xs|select('odd')|length
(xs|select('odd'))[0] is undefined
'yes' if xs|select('gt', 100) else 'no'
m|dictsort
m|dictsort(reverse=true)
{'b': 1, 'A': 2}|dictsort
{'b': 1, 'A': 2}|dictsort(true)
{'b': 1, 'A': 2}|dictsort(false, 'value')
m|items|list
missing|items|list
xs|items|list
s|upper
s|lower
5|upper
s|capitalize
'hello-world (foo) [bar]'|title
"they're here"|title
ws|trim|tojson
'xxaxx'|trim('x')
5|trim
z|trim
missing|trim
s|replace('o', '0')
s|replace('o', '0', 1)
5|replace(5, 6)
'a<b>&"\''|escape
'a<b>'|e
5|e
'a\nb\n\nc'|indent
'a\nb\n\nc'|indent(2, true)
'a\nb\n\nc'|indent(2, blank=true)
'a\nb'|indent('> ')
'a\nb\n'|indent(width=1, first=true)
5|indent
'42'|int
'4.9'|int
'x'|int
'x'|int(7)
' 42 '|int
4.9|int
-4.9|int
none|int
true|int
'1e3'|int
'0x10'|int
'1.5'|float
'x'|float
'x'|float(1.5)
'inf'|float
'-nan'|float
1|float
'1_0'|string
5|string + 'x'
none|string
xs|string
missing|string
1.0|string
-5|abs
-5.5|abs
s|abs
2.567|round(2)
2.5|round
3.5|round
2.4|round(0, 'ceil')
2.678|round(1, 'floor')
5|round
missing|default('d')
missing|d('d')
z|default('d')
z|default('d', true)
e|default('d', boolean=true)
missing|default
m.q|default('d')
missing.q|default('d')
'%s-%s'|format('a', 1)
m|attr('get')('b')
s|safe
s|tojson
m|tojson
xs|tojson
none|tojson
true|tojson
1.0|tojson
1e22|tojson
1e-7|tojson
'é"\\\n\t\r\b\f\x00\x1f\x7f</'|tojson
'é"\\\n\x7f😀'|tojson(ensure_ascii=True)
[]|tojson(indent=2)
{}|tojson(indent=2)
[1, [2, {'a': []}], {}]|tojson(indent=2)
m|tojson(indent=4)
m|tojson(indent=0)
m|tojson(indent='->')
m|tojson(separators=(',', ':'))
m|tojson(sort_keys=true)
m|tojson(false, 2)
m|tojson(indent=none)
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{'a': 1}.get(missing, 'q')
missing in m
m[missing]
2 ** 62
3 ** 39
2 ** 0
0 ** 0
2.0 ** 3
2 ** 0.5
(-8) ** 0.5 is defined
-1 ** 9
(1, 2)|tojson
missing|tojson
[missing]|tojson
m.items()|tojson
(xs|map('string'))|tojson
namespace(a=1)|tojson
s|nothing
missing is defined
missing is not defined
missing is undefined
m.q is defined
s is string
5 is string
5 is number
true is number
5.5 is number
5 is integer
true is integer
5.5 is float
5 is float
true is boolean
1 is boolean
z is none
0 is none
z is not none
m is mapping
xs is mapping
xs is iterable
s is iterable
m is iterable
5 is iterable
z is iterable
missing is iterable
xs is sequence
s is sequence
m is sequence
5 is sequence
m.items() is sequence
m.items() is iterable
m.get is callable
5 is callable
5 is odd
4 is even
9 is divisibleby 3
9 is divisibleby(4)
9 is divisibleby 3 and true
true is true
1 is true
false is false
0 is false
5 is eq 5
5 is equalto 6
5 is ne 6
5 is gt 4
5 is lessthan 4
1 is in [1, 2]
1 is not in [1, 2]
'a' is in 'abc'
'ABC' is upper
'abc' is lower
5 is sameas 5
5 is sameas 5.0
z is sameas none
s is nothing
not s is string
s is string and n is number
s is not string or true
s|upper is string
-n|abs
n|string|length
(n|string) + 'x'
'a' ~ n|string
n is defined if t else 'x'
range(5)|list
range(2, 5)|list
range(10, 0, -3)|list
range(0)|list
range(1, 2, 0)
range(-3)|list
range(100001)|length
range(3)|length
range(5)[2]
range('a')
dict(a=1, b='c')
dict(m, a=9)
dict([('a', 1), ('b', 2)])
dict(5)
namespace(a=1).a
namespace(a=1).b
namespace(m).b
namespace({'x': [1]})
raise_exception('custom message')
raise_exception(5)
strftime_now('%d %b %Y')
strftime_now('%A %a %B %b %d %-d %H %I %p %M %S %f %y %Y %m %-m %j %% %w %F %T %R %D %e|%Z|%z')
strftime_now()
nothing()
s.upper is callable
s.split(' ')[0].lower().title()
m['a'].upper() + m.a[0]
people[0].name[1:]
people[0]['x'].y
people[-1].x is defined
people[-1].x.y
[1, 2, 3][1]
{'a': 1}.a
{'a': 1}['a']
(1, 2)[0]
'abc'[1]
"abc".upper()
[[1, 2], [3]]|map('length')|list
[[1, 2], [3]]|map('first')|list
[[1, 2], [3]]|sum(start=[])
m.b is eq 1 and m['a'] == 'two'
xs == [3, 1, 2]
xs is eq [3, 1, 2]
1 +
1 2
(1
[1
{1
{'a' 1}
'abc
a b
1 = 2
1 === 1
x!
@
$x
a.b.
a..b
a[
a[]
a[1, 2] is undefined
f(
f(a=1, 2)
s is
s is not
s|
s||upper
|upper
and
not
1 if
in xs
-
~
''
9223372036854775807
9223372036854775806 + 1
true.x
'a' if
lambda x: x
x for x in xs
[x for x in xs]
s if not e else z
not e if t else 1
1 in xs and 2 in xs
1 in xs == true
1 == 1 in [1]
xs[n - 5]
xs[t]
s[1:n]
s[m.b]
xs|first + 1
xs|length > 2
xs|length == 3 and s
'a,b'.split(',')|length
'a,b'.split(',')|last
s.split()|map('lower')|join('_')
s | replace(" ", "_") | upper | length
(s ~ n)[-1]
- 1
--1
+-1
- 1 + 2
2 - -2
2*-3
10 - 2 - 3
100 / 10 / 2
2 + 3 ~ 4 + 5
'x' ~ 1 + 2
2 * 3 ~ 4
1 < 2 == true
not 1 == 2
1 == 1 != 2
1.5 | int + 1
true and not false or z
None
True
False
NONE
none is none
None is none
nan
1.e5
.5
5.
0.5e1
1e400
-1e400
1e400 - 1e400
08
08.5
0_1
0
00
"\u65e5" == "日"
"a\
b"
'\N{BULLET}' is string
{'a': {'b': {'c': 1}}}.a.b.c
m.keys()|sort|join(',')
m.values()|map('string')|join(',')
m.items()|map('first')|list
m.items()|map('last')|list
people|map(attribute='name')|map('lower')|sort|join(' ')
people|map(attribute='age')|unique|list
people|selectattr('name', 'string')|map(attribute='name')|first
(people|selectattr('age', 'eq', 30)|first).name
(people|selectattr('age', 'eq', 99)|first).name
people|map('attr', 'get')|list|length
xs|sort|last
xs|reverse|first
'é' * 3
'abc' is in ['abc']
5 is in 'abc'
xs[:2] + xs[2:] == xs
xs[1:2] == [1]
'x' in ['x', 1, none]
none in [none]
1 in [true]
missing in [1]
missing in [missing]
[] or 'empty'
{} or 'empty'
0.0 or 'zero'
'0' or 'zero'
[0] and 'full'
missing or 'none'
missing and 1
not missing
missing is none
m is defined and m.a is defined
(missing or {}).x
(z or {}).get('a', 'dflt')
'a'.join(['1', '2'])
'{}-{}'|length
"'" ~ '"'
"tab\there"
loop
loop.index
self_x
"a" < 1
1 <= 1.0
-1 < 0.5
"Z" > "a"
true > false
[1, 'a'] < [1, 'b']
[1, 'a'] < [2, 5]
['a'] < [1]
(1, 2) < (1, 3)
(1,) < [1]
{'a': 1} < {'b': 1}
"""

STATEMENTS = r"""
{% if t %}yes{% endif %}|{% if e %}no{% else %}else{% endif %}
{% if e %}1{% elif z %}2{% elif n == 5 %}3{% else %}4{% endif %}
{% if missing %}1{% else %}0{% endif %}
{% if missing.x %}1{% endif %}
{% if 1, %}t{% endif %}
{% if %}x{% endif %}
{% if t %}
{% endif %}
{% if t %}x{% endfor %}
{% else %}
{% if t %}a{% else %}b{% else %}c{% endif %}
{% for x in xs %}{{ x }}{% endfor %}
{% for x in xs %}{{ x }}{% else %}none{% endfor %}
{% for x in [] %}{{ x }}{% else %}none{% endfor %}
{% for x in missing %}{{ x }}{% else %}none{% endfor %}
{% for x in z %}{{ x }}{% endfor %}
{% for x in 5 %}{{ x }}{% endfor %}
{% for c in 'héy😀' %}[{{ c }}]{% endfor %}
{% for k in m %}{{ k }},{% endfor %}
{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}
{% for k, v in m|dictsort %}{{ k }}={{ v }};{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for a, b in [1] %}{{ a }}{% endfor %}
{% for a, b in ['xy'] %}{{ a }}-{{ b }}{% endfor %}
{% for x in 1, 2, 3 %}{{ x }}{% endfor %}
{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }} {% endfor %}
{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}
{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}
{% for x in xs if x > 1 %}{{ x }}{{ loop.index }}/{{ loop.length }}{{ loop.last }} {% endfor %}
{% for x in xs if x > 9 %}{{ x }}{% else %}none{% endfor %}
{% for x in xs if x is odd and t %}{{ x }}{% endfor %}
{% for x in xs %}{% for y in xs %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}
{% for x in xs %}{% set q = x %}{% endfor %}{{ q }}
{% set q = 0 %}{% for x in xs %}{% set q = q + x %}{{ q }}{% endfor %}{{ q }}
{% set q = 1 %}{% for x in xs %}{% if loop.first %}{% set q = 5 %}{% endif %}{{ q }}{% endfor %}
{% if t %}{% set q = 1 %}{% endif %}{{ q }}
{% for x in xs %}{{ x }}{% if x == 1 %}{% break %}{% endif %}{% endfor %}
{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}
{% for x in xs %}{% for y in xs %}{% break %}{% endfor %}{{ x }}{% endfor %}
{% for x in xs %}{% break %}{% else %}e{% endfor %}|
{% for x in xs %}{% continue %}{% else %}e{% endfor %}|
{% for x in xs %}{% if loop.last %}{% break %}{% endif %}{% else %}e{% endfor %}|
{% break %}
{% continue %}
{% for x in xs %}{{ loop.nothing }}.{% endfor %}
{% for x in xs %}{{ loop['index'] }}{% endfor %}
{% for x in range(3) %}{{ x }}{% endfor %}
{% for x in xs|reverse %}{{ x }}{% endfor %}
{% for x in (xs|map('string')) %}{{ x + '!' }}{% endfor %}
{% for x in xs[1:] %}{{ x }}{% endfor %}
{% for x in xs if x %}{{ x }}{% endfor %}{{ x }}
{% for x xs %}{% endfor %}
{% for in xs %}{% endfor %}
{% for x in %}{% endfor %}
{% for x in xs %}
{% for 5 in xs %}{% endfor %}
{% for true in xs %}{% endfor %}
{% for p in people %}{{ p.name }}{{ ', ' if not loop.last }}{% endfor %}
{% for p in people %}{{ p.name }}{{ ', ' if not loop.last else '.' }}{% endfor %}
{% set ns = namespace(c=0) %}{% for x in xs %}{% set ns.c = ns.c + x %}{% endfor %}{{ ns.c }}
{% set ns = namespace() %}{{ ns.x }}{% set ns.x = [1] %}{{ ns.x }}
{% set ns = namespace(c=0) %}{% for x in [1,2,3,4] if ns.c < 3 %}{% set ns.c = ns.c + x %}{{ x }}{% endfor %}
{% set ns = namespace(c=0) %}{% for x in [1,2,3,4] if ns.c < 3 %}{% set ns.c = ns.c + x %}{{ x }}{{ loop.last }}{% endfor %}
{% set m.q = 1 %}
{% set q.x = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = [1, 2] %}{{ b }}
{% set a, b = 1 %}
{% set (a, b) = (1, 2) %}{{ b }}
{% set a = 1, 2 %}{{ a }}
{% set a = %}
{% set a %}
{% set %}
{% set 5 = 1 %}
{% set none = 1 %}
{% set x = s if t else e %}{{ x }}
{% set x %}a{{ n }}b{% endset %}{{ x }}|{{ x|length }}
{% set x | upper %}a{{ n }}b{% endset %}{{ x }}
{% set x | upper | replace('A', 'q') %}a{{ n }}b{% endset %}{{ x }}
{% set x %}{% set y = 1 %}{% endset %}{{ y }}|
{% set ns = namespace() %}{% set ns.x %}body{% endset %}{{ ns.x }}
{% macro f(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(b=5, a=4) }} {{ f() }}
{% macro f(a, b=a) %}{{ a }}-{{ b }}{% endmacro %}{{ f(1) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(q=2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}
{% macro f(a, b) %}{{ a is defined }}{{ b is defined }}{% endmacro %}{{ f(1) }}
{% macro f() %}{{ s }}{{ q }}{% endmacro %}{% set q = 7 %}{{ f() }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}
{% macro f() %} x {% endmacro %}[{{ f()|trim }}]{{ f() ~ 'y' }}{{ f()|length }}
{% macro f() %}{% set ns.x = 5 %}{% endmacro %}{% set ns = namespace(x=1) %}{{ f() }}{{ ns.x }}
{% macro f(x) %}{% for i in range(x) %}{{ i }}{% endfor %}{% endmacro %}{% for k in xs %}{{ f(k) }};{% endfor %}
{% macro f(a=1, b) %}{% endmacro %}
{% macro f %}{% endmacro %}
{% macro f() %}
{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}o{% endmacro %}{{ outer() }}
{% macro f() %}x{% endmacro %}{{ f is callable }}{{ f is defined }}
{% if t %}{% macro f() %}x{% endmacro %}{% endif %}{{ f() }}
{% filter upper %}abc{{ s }}{% endfilter %}
{% filter upper|replace('A', 'q') %}abc{% endfilter %}
{% filter trim %}  x  {% endfilter %}|
{% filter nothing %}x{% endfilter %}
{% filter upper %}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}
{% with a=1, b=2 %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with a = n %}{{ a }}{% endwith %}
{% generation %}a{{ n }}{% endgeneration %}b
{% generation %}{% set q = 1 %}{% endgeneration %}{{ q }}|
{% raw %}{{ x }} {% if %} {# c #}{% endraw %}
{% raw %} a {% endraw %} b
a {%- raw %} x {% endraw -%} b
{%- raw -%} x {%- endraw -%}
a¶{% raw %}¶x¶{% endraw %}¶b
a¶  {% raw %}¶  x¶  {% endraw %}¶  b
{% raw %}x
{# comment #}x
{#- a -#} x {#- b -#} y
a¶{# c #}¶b
a¶  {# c #}¶b
a {# c ¶ d #} b
{# {{ x }} {% if %} #}ok
{# open
{##}x
{#-#} x
{#+ #}¶x
a¶  {% if t %}¶b¶  {% endif %}¶c
a¶  {%+ if t %}¶b¶  {%+ endif %}¶c
a¶  {% if t +%}¶b¶{% endif %}¶c
a¶  {%- if t %}¶b¶  {%- endif %}¶c
a¶  {% if t -%}¶  b¶  {% endif -%}¶  c
a  {% if t %} b {% endif %} c
  {% if t %}x{% endif %}
x  {% if t %}¶¶y{% endif %}¶¶z
  {{ n }}  ¶  {{ n }}
a ¶ {{- n }} ¶ b
a ¶ {{ n -}} ¶ b
a ¶ {{- n -}} ¶ b
{{-n}}
{{ -n}}
{{ n }}¶{{ n }}¶
¶¶x¶¶
x¶
x¶¶
¶
{% for x in xs %}¶  {{ x }}¶{% endfor %}¶end
{% for x in xs -%}¶  {{ x }}¶{%- endfor %}¶end
{%- for x in xs %}¶  - {{ x }}¶{%- endfor %}
{% if t %}¶  {% if t %}¶    {{ n }}¶  {% endif %}¶{% endif %}¶
	{% set q = 1 %}¶	{{ q }}
{% set q = 1 %}  ¶x
{% set q = 1 %}¶¶x
{% set q = 1 -%}  ¶¶  x
a{% set q = 1 %} b
{{ '{{' }} {{ '%}' }} {{ "}}" }}
{{ {'a': {'b': 1}} }}
{{ {'a': {'b': 1}}.a.b }}
{{ {'a': 1}|length}}
{{ '¶' }}
{{ 'a¶  b' }}
{{ n }
{{ n
{% if t
{{ }}
{% %}
{{ n }} }} %} #}
{ n } {n} { {n} }
{% unknown %}
{% include 'x' %}
{% extends 'x' %}
{% import 'x' as y %}
{% endif %}
{% endfor %}
{% set x = 1 %}{% set x = x + 1 %}{{ x }}
{% set xs = xs + [4] %}{{ xs }}
{% set s = s|upper %}{{ s }}
{% set messages = [{'role': 'user', 'content': 'hi'}] %}{% for message in messages %}{{ '<' + message['role'] + '>' + message['content'] }}{% endfor %}
{% set x = none %}{% if x is none %}N{% endif %}{{ x }}
{% if s is defined and s is not none and s|length > 3 %}long{% endif %}
{% if 'World' in s and not 'x' in s %}in{% endif %}
{% if s == 'Hello World' and (n > 3 or z) %}ok{% endif %}
{% for x in xs %}{% if x in [1, 2] %}{{ x }}{% elif x == 3 %}three{% endif %}{% endfor %}
{% for p in people %}{% if p.x is defined %}{{ p.x.y }}{% else %}-{% endif %}{% endfor %}
{% for p in people|sort(attribute='name') %}{{ p.name }} {% endfor %}
{% for p in people|selectattr('age', 'lt', 30) %}{{ p.name }} {{ loop.index }}{% endfor %}
{% set first = people|first %}{{ first.name }}
{% set n = namespace(a=namespace(b=1)) %}{{ n.a.b }}
{% set x = {'k': [1, 2]} %}{{ x.k[1] }}{{ x['k'][-2] }}
{{ xs|join(', ') }}{% set _ = 1 %}{{ _ }}
{% set x = [] %}{% set _ = x.append(1) %}{{ x }}
{% set q = {} %}{% set _ = q.update({'a': 1}) %}{{ q }}
{% if true %}{{ undefined_thing }}{% endif %}ok
{% if false %}{{ undefined_thing.x }}{% endif %}ok
{{ 'a' if false }}b
{{ ('a' if false).x }}
{{ "a" }}{{- "b" -}} {{ "c" }}
{{+ n }}
{%+ set q = 1 +%} x
{% set a = 'x' %}{% set b %}{{ a }}{{ a }}{% endset %}{% set c = b ~ a %}{{ c }}
é{{ n }}日本{% if t %}語{% endif %}😀
{% for x in [[1, [2, 3]], [4, [5, 6]]] %}{% set a, (b, c) = x %}{{ a }}{{ b }}{{ c }} {% endfor %}
{% for i in range(3) %}{% set outer = loop %}{% for j in range(2) %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for x in xs: %}{{ x }}{% endfor %}
{% if t: %}x{% endif %}
{% call f() %}x{% endcall %}
{% do 1 %}
{% block a %}x{% endblock %}
{% for x in xs recursive %}{{ x }}{% endfor %}
{% autoescape true %}{% endautoescape %}
{%if t%}x{%endif%}
{%-if t-%} x {%-endif-%}
{{n}}{{n}}
{{ n }}{% set q=1 %}{{ q }}{# x #}{{ q }}
{% set x = 'multi¶line' %}{{ x }}
{% if¶  t¶%}¶x¶{%¶endif¶%}¶
{{¶  n¶}}
{{ s¶  |upper¶  |lower }}
"""

# What Jinja2 accepts and Kvasir refuses on purpose; the reader of a model file learns the tag's name and line.
REFUSED = ["{% call f()", "{% block", "recursive %}", "{% autoescape"]


def listed(text):
    return [line.replace("¶", "\n") for line in text.strip("\n").split("\n")]


CASES = ["{{ " + line + " }}" for line in listed(EXPRESSIONS)]
CASES += [line for line in listed(STATEMENTS) if not any(word in line for word in REFUSED)]
