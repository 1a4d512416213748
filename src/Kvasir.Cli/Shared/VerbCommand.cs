using System.CommandLine;

namespace Kvasir.Cli.Shared;

/// <summary>A verb as the parser knows it.</summary>
internal sealed class VerbCommand : Command
{
    public VerbCommand(Verb verb)
        : base(verb.Word)
    {
        Verb = verb;
        foreach (var operand in verb.Operands)
            Arguments.Add(operand.ForParser());
        foreach (var flag in verb.AllFlags)
            Options.Add(flag.ForParser());
        SetAction(parsed => verb.Run(new TypedCommand(parsed, verb)));
    }

    public Verb Verb { get; }
}
