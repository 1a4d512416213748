using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Kvasir.Ground;

/// <summary>What must hold unless Kvasir itself is wrong. Stays on in release.</summary>
internal static class Invariant
{
    public static void Holds([DoesNotReturnIf(false)] bool condition, [CallerArgumentExpression(nameof(condition))] string expression = "")
    {
        if (!condition)
            Fail(expression);
    }

    [DoesNotReturn]
    private static void Fail(string expression) => throw new UnreachableException($"invariant does not hold: {expression}");
}
