using System.Text;
using Kvasir.Calls;
using Kvasir.Structure;

namespace Kvasir.Test.Structure;

public sealed class SchemaConstraintTest
{
    private const string Person = """
        {"type":"object","properties":{"name":{"type":"string","maxLength":5},"age":{"type":"integer","minimum":-3,"maximum":120},"tags":{"type":"array","items":{"enum":["a","b c",3,null]},"maxItems":2}},
         "required":["name","age"],"additionalProperties":false}
        """;

    private static readonly JsonConstraints Constraints = Vocabularies.Of("bytes");

    [Theory]
    [InlineData(Person, """{"name":"Ada","age":36}""")]
    [InlineData(Person, """{"name":"Ada","age":-3,"tags":[]}""")]
    [InlineData(Person, "{\n  \"name\": \"Ad\\u00e9\\ud83d\\ude00\",\n  \"age\": 0,\n  \"tags\": [\n    \"b c\",\n    null\n  ]\n}")]
    [InlineData(Person, """{"name":"😀😀😀😀😀","age":120,"tags":[3]}""")]
    [InlineData("""{"type":["integer","null"]}""", "null")]
    [InlineData("""{"type":["integer","null"]}""", "-9223372036854775808")]
    [InlineData("""{"type":"number"}""", "-0.5e+10")]
    [InlineData("""{"const":{"a":[1,{"b":"\n\u0001/"}]}}""", """{"a":[1,{"b":"\n\u0001/"}]}""")]
    [InlineData("""{"type":"object"}""", """{"a":{"b":[1,2.5,"x",true,null,{}]}}""")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"a":1,"ab":"x","":"y"}""")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"b":"x"}""")]
    [InlineData("""{"prefixItems":[{"type":"integer"},{"type":"string"}],"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":4}""", """[1,"x",true,false]""")]
    [InlineData("""{"$defs":{"tree":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}}},"required":["v"]}},"$ref":"#/$defs/tree"}""", """{"v":1,"kids":[{"v":2},{"v":3,"kids":[{"v":4,"kids":[]}]}]}""")]
    [InlineData("""{"anyOf":[{"type":"string","pattern":"^a+$"},{"type":"object","properties":{"x":{"const":1}},"required":["x"]}]}""", """{"x": 1}""")]
    [InlineData("""{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"a":{"minimum":5,"type":"integer"},"b":{"type":"null"}},"required":["b"]}]}""", """{"a":5,"b":null}""")]
    [InlineData("""{"type":"string","pattern":"^\\d{3}-[a-f]+$","minLength":6}""", "\"123-ab\"")]
    [InlineData("""{"type":"string","pattern":"ok"}""", "\"it is ok \\\"now\\\"\"")]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":2}""", "[1, 2]")]
    [InlineData("""{"type":"object","required":["z"]}""", """{"z":[1]}""")]
    public void ValuesOfTheSchemaAreAccepted(string schema, string text) => Assert.True(Vocabularies.Accepts(Constraints.Schema(schema), text));

    [Theory]
    [InlineData(Person, """{"age":36""", 2)]
    [InlineData(Person, """{"name":"Ada"}""", 13)]
    [InlineData(Person, """{"name":"Adaada""", 14)]
    [InlineData(Person, """{"name":"Ada","age":121""", 22)]
    [InlineData(Person, """{"name":"Ada","age":-4""", 21)]
    [InlineData(Person, """{"name":"Ada","age":01""", 21)]
    [InlineData(Person, """{"name":"Ada","age":1,"x""", 23)]
    [InlineData(Person, """{"name":"Ada","age":1,"tags":["a","a","a""", 37)]
    [InlineData(Person, """{"name":"Ada","age":1}x""", 22)]
    [InlineData(Person, """{"name":"Ada","age":1} """, 22)]
    [InlineData(Person, """ {"name":"Ada","age":1}""", 0)]
    [InlineData("""{"type":"integer"}""", "9223372036854775808", 18)]
    [InlineData("""{"type":"string"}""", "\"\\ud83dx", 7)]
    [InlineData("""{"type":"string"}""", "\"\\udc00", 4)]
    [InlineData("""{"type":"string"}""", "\"a\nb", 2)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"a":"x""", 5)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"b":"","a":1""", 10)]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":2}""", "[1]", 2)]
    [InlineData("""{"type":"string","pattern":"^ab$"}""", "\"ac", 2)]
    [InlineData("""{"type":"object"}""", "{\n\n", 2)]
    public void AWrongByteIsRefusedWhereItStands(string schema, string text, int at) =>
        Assert.Equal(at, Vocabularies.Bytes(Constraints.Schema(schema), Encoding.UTF8.GetBytes(text)).Accepted);

    [Fact]
    public void BytesThatAreNoUtf8AreRefused()
    {
        var constraint = Constraints.Schema("""{"type":"string"}""");
        Assert.Equal(2, Vocabularies.Bytes(constraint, [(byte)'"', 0xF0, 0x80]).Accepted);
        Assert.Equal(2, Vocabularies.Bytes(constraint, [(byte)'"', 0xED, 0xA0]).Accepted);
        Assert.Equal(1, Vocabularies.Bytes(constraint, [(byte)'"', 0xC0]).Accepted);
        Assert.Equal(5, Vocabularies.Bytes(constraint, [(byte)'"', 0xF0, 0x9F, 0x98, 0x80]).Accepted);
    }

    [Fact]
    public void BetweenTokensThereIsABlankOrALineBreakAnd32BlanksAtMost()
    {
        var constraint = Constraints.AnyObject();
        Assert.True(Vocabularies.Accepts(constraint, "{\n" + new string(' ', 32) + "}"));
        Assert.False(Vocabularies.Accepts(constraint, "{\n" + new string(' ', 33) + "}"));
        Assert.True(Vocabularies.Accepts(constraint, "{ }"));
        Assert.False(Vocabularies.Accepts(constraint, "{  }"));
    }

    [Fact]
    public void ValuesAreNested64DeepAtMost()
    {
        var constraint = Constraints.Schema("{}");
        Assert.True(Vocabularies.Accepts(constraint, new string('[', 64) + new string(']', 64)));
        Assert.Equal(64, Vocabularies.Bytes(constraint, Encoding.UTF8.GetBytes(new string('[', 65))).Accepted);
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{"a/b":{"type":"string","format":"date"}}}""", "/properties/a~1b/format")]
    [InlineData("""{"type":"object","patternProperties":{}}""", "/patternProperties")]
    [InlineData("""{"items":{"not":{}}}""", "/items/not")]
    [InlineData("""{"type":"number","minimum":1}""", "/minimum")]
    public void WhatIsNotSupportedIsNamedOrRefusedWhereStrict(string schema, string where)
    {
        Assert.Equal([where], Constraints.Schema(schema).IgnoredKeywords);
        var refusal = Assert.Throws<KvasirException>(() => Constraints.Schema(schema, isStrict: true));
        Assert.Equal(KvasirError.Unsupported, refusal.Error);
        Assert.Contains(where, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "the schema cannot be read")]
    [InlineData("[]", "the root is no schema")]
    [InlineData("""{"type":"text"}""", "/type has 'text', which is no type")]
    [InlineData("""{"type":"string","pattern":"(?=a)b"}""", "the root: the pattern '(?=a)b' has look-ahead (character 2), which is not supported")]
    [InlineData("""{"type":"string","pattern":"(a)\\1"}""", "a back reference")]
    [InlineData("""{"type":"string","pattern":"a("}""", "a group is not closed")]
    [InlineData("""{"$ref":"#"}""", "the root refers to itself")]
    [InlineData("""{"$ref":"http://x/y"}""", "/$ref leads out of the document")]
    [InlineData("""{"$ref":"#/nowhere"}""", "/$ref refers to what is not there")]
    [InlineData("""{"allOf":[{"type":"string"},{"type":"integer"}]}""", "the root allows no value")]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}""", "the root allows no value")]
    [InlineData("""{"type":"integer","minimum":5,"maximum":4}""", "the root allows no value")]
    [InlineData("""{"type":"string","pattern":"^a$","minLength":2}""", "the root allows no value")]
    [InlineData("""{"type":"array","items":false,"minItems":1}""", "the root allows no value")]
    [InlineData("""{"minLength":-1}""", "/minLength is no count")]
    [InlineData("""{"enum":["a"],"type":"integer"}""", "the root allows no value")]
    [InlineData("""{"type":"string","type":"string"}""", "the schema cannot be read")]
    [InlineData("{\"const\":\"\\ud800\"}", "the schema has text that is none")]
    public void ABadSchemaIsRefusedInWordsThatNameThePlace(string schema, string words) =>
        Assert.Contains(words, Assert.Throws<KvasirException>(() => Constraints.Schema(schema)).Message, StringComparison.Ordinal);

    // Whatever is begun can be ended: properties that no value fits are left out, and so is nesting that would not come to an end.
    [Fact]
    public void APropertyThatNoValueFitsIsNotBegun()
    {
        var constraint = Constraints.Schema("""{"type":"object","properties":{"a":false,"b":{"type":"object","properties":{"b":{"$ref":"#/properties/b"}},"required":["b"]},"c":{"type":"null"}}}""");
        Assert.True(Vocabularies.Accepts(constraint, """{"c":null}"""));
        Assert.Equal(2, Vocabularies.Bytes(constraint, "{\"a"u8).Accepted);
        Assert.Equal(2, Vocabularies.Bytes(constraint, "{\"b"u8).Accepted);
    }

    [Fact]
    public void TheSameSchemaIsCompiledOnce()
    {
        var constraints = new JsonConstraints(Kvasir.Text.Tokenizer.OfBytes());
        var first = constraints.Schema(Person);
        Assert.Same(first, constraints.Schema(Person));
        Assert.NotSame(first, constraints.Schema(Person, isStrict: true));
        for (var i = 0; i < 63; i++)
            constraints.Schema($$"""{"const":{{i}}}""");
        Assert.NotSame(first, constraints.Schema(Person));
    }
}
