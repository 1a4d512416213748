using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Kvasir.Tools.Test.Support;

namespace Kvasir.Tools.Test;

/// <summary>Nothing is in `src` that nothing there refers to, but for what a user of the library or a test asks for.</summary>
public sealed class DeadCodeTidyTest
{
    private static readonly Assembly[] Assemblies =
    [
        typeof(Kvasir.Kernels.Memory.NativeView).Assembly, typeof(Engine).Assembly, typeof(Kvasir.Evaluation.TaskCatalog).Assembly,
        Assembly.Load("Kvasir.Server"), Assembly.Load("Kvasir.Cli"),
    ];

    // What these two have in public is for whoever uses them.
    private static readonly Assembly[] Libraries = [typeof(Engine).Assembly, Assembly.Load("Kvasir.Server")];

    private static readonly Type[] Types = [.. Assemblies.SelectMany(static assembly => assembly.GetTypes())];

    private static readonly string Source = Text("src");

    private static readonly string Askers = Text("test", "bench", "samples");

    [Fact]
    public void EveryTypeIsReferredTo()
    {
        var known = (
            from type in Types
            let outer = CompiledCode.Outermost(type)
            from named in CompiledCode.Known(type).SelectMany(CompiledCode.Parts).Select(CompiledCode.Outermost)
            where named != outer
            select named).ToHashSet();
        Assert.Empty(
            from type in Types
            where type.DeclaringType is null && IsWritten(type) && type.Name != "Program" && !known.Contains(type)
            where !IsOffered(type) && !IsOfConstants(type)
            select type.FullName);
    }

    [Fact]
    public void EveryMemberIsReferredTo()
    {
        var used = Types.SelectMany(CompiledCode.Used).Select(Identity).ToHashSet();
        Assert.Empty(
            from type in Types
            where IsWritten(type) && !typeof(Delegate).IsAssignableFrom(type) && !type.IsInterface
            let implemented = type.GetInterfaces().SelectMany(contract => type.GetInterfaceMap(contract).TargetMethods).Select(Identity).ToHashSet()
            from method in type.GetMethods(CompiledCode.Everything)
            where !used.Contains(Identity(method)) && !implemented.Contains(Identity(method)) && !IsMade(method)
            where method.GetBaseDefinition() == method && !(method.IsPublic && IsOffered(type)) && !IsOfEveryRecord(method)
            let name = method.Name.Replace("get_", "", StringComparison.Ordinal)
            where !Regex.IsMatch(Askers, $@"\.{name}\b")
            select $"{type.FullName}.{name}");
    }

    private static bool IsOffered(Type type) => type.IsVisible && Libraries.Contains(type.Assembly);

    // The compiler puts constants where they are used, and leaves no trace of whose they are.
    private static bool IsOfConstants(Type type) =>
        type.GetFields(CompiledCode.Everything).Any(static field => field.IsLiteral) && Source.Contains($"{type.Name}.", StringComparison.Ordinal);

    private static bool IsWritten(Type type) =>
        type.Namespace?.StartsWith("Kvasir", StringComparison.Ordinal) == true && !IsMade(type) && !IsMade(CompiledCode.Outermost(type))
        && type.BaseType != typeof(System.Text.Json.Serialization.JsonSerializerContext);

    private static bool IsMade(MemberInfo member) =>
        member.Name.Contains('<', StringComparison.Ordinal) || member.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false);

    private static bool IsOfEveryRecord(MethodInfo method) =>
        method.IsSpecialName && method.Name.StartsWith("op_", StringComparison.Ordinal)
        || method.Name is "Main" or "Deconstruct" or "PrintMembers" or "Equals" or "GetHashCode" or "ToString";

    private static (Module Module, int Token) Identity(MemberInfo member) => (member.Module, member.MetadataToken);

    private static string Text(params string[] folders) => string.Concat(
        from folder in folders
        from file in Directory.EnumerateFiles(Path.Combine(TidyTest.Root, folder), "*.cs", SearchOption.AllDirectories)
        where !file.Split(Path.DirectorySeparatorChar).Any(static part => part is "bin" or "obj")
        select File.ReadAllText(file));
}
