using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Files;
using Kvasir.Structure;
using Kvasir.Structure.Schemas;
using Kvasir.Text;

namespace Kvasir.Calls;

/// <summary>Writes the grammar of what an answer has to be: JSON values and calls in the model's words, and what it thinks first as it likes.</summary>
internal sealed class DemandGrammar(Tokenizer tokenizer, GrammarBuilder grammar, bool isCompact)
{
    private const int MostBlanks = 8;
    private static readonly ByteSet Blank = ByteSet.Of((byte)' ').Union(ByteSet.Of((byte)'\n'));
    private readonly List<string> _ignored = [];

    /// <summary>JSON pointers of keywords that were left out; those of a tool's parameters begin with its name.</summary>
    public IReadOnlyList<string> Ignored => _ignored;

    /// <exception cref="KvasirException">As <see cref="JsonConstraints.Answer"/>.</exception>
    public GrammarProgram Program(AnswerDemand demand)
    {
        var ways = new List<int>();
        if (demand.Schema is { } schema)
            ways.Add(Final(demand, Value(schema, demand.IsStrict, "")));
        if (demand.Tools.Count > 0)
            ways.Add(Calls(demand));
        return grammar.ToProgram(Reasoned(demand, grammar.Branch(ways)));
    }

    private int Value(string schema, bool isStrict, string prefix)
    {
        using var reader = new SchemaReader(schema, isStrict, grammar.Budget);
        var (root, values) = (reader.Root(), new SchemaGrammar(reader, grammar, isCompact));
        reader.ReadAll();
        var step = values.Root(root);
        _ignored.AddRange(reader.Ignored.Select(pointer => prefix + pointer));
        return step;
    }

    private int Reasoned(AnswerDemand demand, int answer)
    {
        if (demand.Format?.Reasoning is not { } marks)
            return answer;
        if (demand.Format.HasChannels)
        {
            var next = Mark(ChannelText.Start, Literal("assistant", answer));
            var thought = Thinking(marks.Close, next);
            return demand.BeginsInReasoning
                ? thought
                : grammar.Branch(answer, Mark(ChannelText.Channel, Literal(ChannelText.Analysis, Mark(ChannelText.Message, thought))));
        }

        var behind = grammar.Repeat(0, MostBlanks, grammar.Bytes(Blank, GrammarBuilder.Return), answer);
        var thinking = Thinking(marks.Close, behind);
        return demand.BeginsInReasoning ? thinking : grammar.Branch(answer, Mark(marks.Open, thinking));
    }

    // What is said to the user by a model of channels.
    private int Final(AnswerDemand demand, int value) => demand.Format is { HasChannels: true }
        ? Mark(ChannelText.Channel, Literal("final", Mark(ChannelText.Message, value)))
        : value;

    // A message for a function, in the order of the template or in that which models prefer; the call is over with its arguments.
    private int Message((string Name, int Step) function)
    {
        var arguments = grammar.Call(function.Step, isNested: true, GrammarBuilder.Return);
        var (recipient, json) = ($" to={ChannelText.Functions}{function.Name}", Literal("json", Mark(ChannelText.Message, arguments)));
        return grammar.Branch(
            Literal(recipient, Mark(ChannelText.Channel, Literal("commentary ", json))),
            Mark(ChannelText.Channel, Literal($"commentary{recipient} ", grammar.Branch(json, Mark(ChannelText.Constrain, json)))));
    }

    // Anything but the mark.
    private int Thinking(string close, int next)
    {
        if (Control(close) is not { } token)
            return grammar.Until(Encoding.UTF8.GetBytes(close), next);
        var loop = grammar.Reserve();
        grammar.Set(loop, grammar.Branch(grammar.Bytes(ByteSet.Of(0, 255), loop), grammar.Control(token, next)));
        return loop;
    }

    private int Calls(AnswerDemand demand)
    {
        var syntax = demand.Format?.Calls
            ?? throw new KvasirException(KvasirError.Unsupported, "the model does not support tools: its template does not say how it calls them");
        var functions = demand.Tools.Select(Parameters).ToList();
        var tail = grammar.Reserve();
        int Any(int next) => grammar.Branch(functions.Select(function => Function(function, syntax, next)));
        switch (syntax.Family)
        {
            case CallFamily.Channel:
                return grammar.Branch(functions.Select(Message));
            case CallFamily.Bare:
                grammar.Set(tail, GrammarBuilder.Return);
                return Any(tail);
            case CallFamily.List:
                var end = grammar.Byte(']', GrammarBuilder.Return);
                grammar.Set(tail, demand.IsParallel ? grammar.Branch(end, grammar.Byte(',', Space(Any(tail)))) : end);
                return Mark(syntax.Open, Space(grammar.Byte('[', Any(tail))));
            default:
                var call = Mark(syntax.Open, Space(Any(Space(Mark(syntax.Close, tail)))));
                grammar.Set(tail, demand.IsParallel ? grammar.Branch(GrammarBuilder.Return, Space(call)) : GrammarBuilder.Return);
                return call;
        }
    }

    private (string Name, int Step) Parameters(ToolDefinition tool)
    {
        try
        {
            return (tool.Name, Value(AsObject(tool.Parameters), tool.IsStrict, tool.Name));
        }
        catch (KvasirException refusal)
        {
            throw new KvasirException(refusal.Error, $"parameters of the tool '{MessageText.Line(tool.Name)}': {refusal.Message}", refusal);
        }
    }

    // Arguments are an object, whether their schema says so or not; and where it lists none there are none: tools are made from functions that take nothing.
    private static string AsObject(string schema)
    {
        try
        {
            if (JsonNode.Parse(schema, documentOptions: new JsonDocumentOptions { MaxDepth = GrammarProgram.MostDepth }) is not JsonObject node)
                return schema;
            node.TryAdd("type", "object");
            if (node["properties"] is JsonObject { Count: 0 })
                node.TryAdd("additionalProperties", false);
            return node.ToJsonString();
        }
        catch (Exception problem) when (problem is JsonException or ArgumentException or InvalidOperationException)
        {
            // Whoever reads it says what is wrong.
            return schema;
        }
    }

    private int Function((string Name, int Step) function, CallSyntax syntax, int next)
    {
        var arguments = Space(grammar.Call(function.Step, isNested: true, Space(grammar.Byte('}', next))));
        var named = Literal($",{Gap}\"{syntax.ArgumentsKey}\":", arguments);
        return Literal($"{{\"name\":{Gap}{JsonValue.Create(function.Name).ToJsonString()}", named);
    }

    // Models are trained on the spacing of their templates, which is Python's.
    private string Gap => isCompact ? "" : " ";

    private int Literal(string text, int next) => grammar.Literal(Encoding.UTF8.GetBytes(text), next);

    private int Space(int next) => grammar.Branch(next, grammar.Byte('\n', next), grammar.Byte(' ', next));

    private int Mark(string mark, int next) => Control(mark) is { } token ? grammar.Control(token, next) : Literal(mark, next);

    private int? Control(string mark) => tokenizer.Find(mark) is { } token && tokenizer.IsControl(token) ? token : null;
}
